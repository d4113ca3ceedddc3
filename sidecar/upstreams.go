package sidecar

import (
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
)

// Upstreams are the static clusters of GATEWAY_UPSTREAMS.
type Upstreams []config.Cluster

// Decode reads `orders=10.0.0.1:9000*3,10.0.0.2:9000; users=consul:users@v1`.
func (u *Upstreams) Decode(text string) error {
	var all Upstreams
	for entry := range split(text, ";") {
		name, endpoints, err := assignment(entry, "name=host:port")
		if err != nil {
			return err
		}
		if err := clusterName(name, entry); err != nil {
			return err
		}
		if all.has(name) {
			return wrong(entry, "cluster %s is there already", name)
		}
		c := config.Cluster{Name: name}
		if err := addEndpoints(&c, endpoints, entry); err != nil {
			return err
		}
		all = append(all, c)
	}
	*u = all
	return nil
}

func (u Upstreams) has(name string) bool {
	return slices.ContainsFunc(u, func(c config.Cluster) bool { return c.Name == name })
}

func addEndpoints(c *config.Cluster, list, entry string) error {
	for one := range split(list, ",") {
		if catalog, ok := strings.CutPrefix(one, "consul:"); ok {
			if c.Consul.Service != "" {
				return wrong(entry, "two services of the catalog (one is allowed)")
			}
			service, tag, tagged := strings.Cut(catalog, "@")
			if !word(service) || tagged && !word(tag) {
				return wrong(one, "not a service (like consul:users or consul:users@v1)")
			}
			c.Consul = config.Consul{Service: service, Tags: config.Tags(tag)}
			continue
		}
		e, err := readEndpoint(one)
		if err != nil {
			return err
		}
		for i := range c.Endpoints {
			if config.SameAddress(c.Endpoints[i].Address, e.Address) {
				return wrong(entry, "%s is there twice (weight it with *N)", e.Address)
			}
		}
		c.Endpoints = append(c.Endpoints, e)
	}
	return nil
}

// readEndpoint reads host:port or host:port*weight.
func readEndpoint(text string) (config.Endpoint, error) {
	address, weight, weighted := strings.Cut(text, "*")
	address, err := config.EndpointAddress(address)
	e := config.Endpoint{Address: address, Weight: 1}
	if err != nil {
		return e, wrong(text, "%v", err)
	}
	if !weighted {
		return e, nil
	}
	n, err := strconv.ParseUint(weight, 10, 16)
	if err != nil || n == 0 || strconv.FormatUint(n, 10) != weight {
		return e, wrong(text, "%q is not a weight (1 to 65535)", weight)
	}
	e.Weight = int(n)
	return e, nil
}

// Routes are those of GATEWAY_ROUTES.
type Routes []config.Route

// Decode reads `api.example.com/v1=orders; /=app`.
func (r *Routes) Decode(text string) error {
	var all Routes
	for entry := range split(text, ";") {
		where, cluster, err := assignment(entry, "host/path=cluster")
		if err != nil {
			return err
		}
		if err := clusterName(cluster, entry); err != nil {
			return err
		}
		match, err := routeMatch(where, entry)
		if err != nil {
			return err
		}
		route := plainRoute(match, cluster)
		if all.at(route.Match) {
			return wrong(entry, "a route for this is there already")
		}
		all = append(all, route)
	}
	*r = all
	return nil
}

// plainRoute is a route that does nothing but match. It is called as what it
// matches, in the letters of a name.
func plainRoute(m config.Match, cluster string) config.Route {
	letter := func(r rune) rune {
		if word(string(r)) || strings.ContainsRune("-_./:@+~", r) {
			return r
		}
		return '_'
	}
	return config.Route{
		Name:     strings.Map(letter, strings.Join(m.Hosts, "")+m.PathPrefix),
		Match:    m,
		Clusters: []config.WeightedCluster{{Name: cluster, Weight: 1}},
	}
}

// routeMatch reads host/path; either may be left out.
func routeMatch(where, entry string) (config.Match, error) {
	host, path, _ := strings.Cut(where, "/")
	m := config.Match{PathPrefix: "/" + strings.TrimSuffix(path, "/")}
	if host != "" {
		pattern, err := config.HostPattern(host)
		if err != nil {
			return m, wrong(entry, "%v (seen %q)", err, host)
		}
		m.Hosts = []string{pattern}
	}
	strange := func(r rune) bool { return r <= ' ' || r > '~' || r == '?' || r == '#' }
	if strings.ContainsFunc(path, strange) {
		return m, wrong(entry, "%q is not a path (no space, ? or #)", m.PathPrefix)
	}
	return m, nil
}

// at tells whether a route for this host and path is there.
func (r Routes) at(m config.Match) bool {
	for i := range r {
		if slices.Equal(r[i].Match.Hosts, m.Hosts) && r[i].Match.PathPrefix == m.PathPrefix {
			return true
		}
	}
	return false
}

// Forwards are the L4 listeners of GATEWAY_TCP.
type Forwards []config.Listener

// Decode reads `:3306=mysql; 127.0.0.1:6379=redis`.
func (f *Forwards) Decode(text string) error {
	var all Forwards
	for entry := range split(text, ";") {
		address, cluster, err := assignment(entry, "host:port=cluster")
		if err != nil {
			return err
		}
		if err := clusterName(cluster, entry); err != nil {
			return err
		}
		address, err = config.ListenAddress(address)
		if err != nil {
			return wrong(entry, "%v", err)
		}
		_, port, _ := net.SplitHostPort(address)
		l := config.Listener{Name: "tcp-" + port, Address: address, Protocol: config.ProtocolTCP, Cluster: cluster}
		for i := range all {
			if all[i].Name == l.Name {
				return wrong(entry, "port %s is there already (two listeners of one port need names: put them into "+
					"the document)", port)
			}
		}
		all = append(all, l)
	}
	*f = all
	return nil
}

// assignment cuts an entry at its last =, since a path may hold one.
func assignment(entry, form string) (left, right string, err error) {
	i := strings.LastIndexByte(entry, '=')
	if i < 0 {
		return "", "", wrong(entry, "no = (the form is %s)", form)
	}
	left, right = strings.TrimSpace(entry[:i]), strings.TrimSpace(entry[i+1:])
	if left == "" || right == "" {
		return "", "", wrong(entry, "nothing on one side of = (the form is %s)", form)
	}
	return left, right, nil
}

// clusterName checks what shall be the name of a cluster.
func clusterName(name, entry string) error {
	if !word(name) {
		return wrong(entry, "%q is not a cluster's name (letters, digits, - _ .)", name)
	}
	return nil
}

// word tells whether a name needs no quoting anywhere: in a KV key, a metric, a
// list, or a shell.
func word(name string) bool {
	for i := range len(name) {
		c := name[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !letter && (i == 0 || c != '-' && c != '_' && c != '.') {
			return false
		}
	}
	return name != "" && len(name) <= 128
}
