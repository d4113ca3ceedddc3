package consul

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/fabian4/gateway-homebrew-go/internal/cluster"
	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

const (
	// maxInstances and maxHealthBytes bound the instances of one service: 5,000 of them have 9 MB.
	maxInstances   = 50_000
	maxHealthBytes = 32 << 20
)

// service is what Consul is queried for. The query is the same for all sidecars, so that an agent keeps one view of a
// service for all of them. Who wants what of it is decided here, but for what only Consul can tell.
type service struct{ name, filter, datacenter string }

func (s service) String() string {
	text := "health " + strconv.Quote(s.name)
	if s.filter != "" {
		text += " filter " + strconv.Quote(s.filter)
	}
	if s.datacenter != "" {
		text += " dc " + strconv.Quote(s.datacenter)
	}
	return text
}

// entry is the part we need of an element of /v1/health/service.
type entry struct {
	Node struct {
		Node            string
		Address         string
		TaggedAddresses struct {
			WAN string `json:"wan"`
		}
		place
	}
	Service struct {
		ID      string
		Tags    []string
		Address string
		Port    int
		Ports   []struct {
			Name string
			Port int
		}
		TaggedAddresses struct {
			WAN struct {
				Address string
				Port    int
			} `json:"wan"`
		}
		Weights  struct{ Passing, Warning int }
		Locality struct{ Zone string }
	}
	Checks []serviceCheck
}

// serviceCheck is one check of an instance or its node.
type serviceCheck struct{ CheckID, Name, Status, Notes, Output string }

// said is what a check has put out. That of maintenance has its reason in the notes, if there is one.
func (c *serviceCheck) said() string {
	if c.Output == "" && c.maintenance() && !strings.HasPrefix(c.Notes, "Maintenance mode is enabled for") {
		return c.Notes
	}
	return c.Output
}

func (c *serviceCheck) maintenance() bool {
	return c.CheckID == "_node_maintenance" || strings.HasPrefix(c.CheckID, "_service_maintenance")
}

// health reads all instances of a service, whatever their checks say.
func (c *Client) health(ctx context.Context, s service, q fetchOptions) (result[[]cluster.Instance], error) {
	var none result[[]cluster.Instance]
	query := url.Values{}
	remote := false
	if s.datacenter != "" {
		local, err := c.localDatacenter(ctx)
		if err != nil {
			return none, err
		}
		remote = s.datacenter != local
		query.Set("dc", s.datacenter)
	}
	if s.filter != "" {
		query.Set("filter", s.filter)
	}
	var a result[[]cluster.Instance]
	head, err := c.get(ctx, "/v1/health/service/"+s.name, query, q, maxHealthBytes,
		func(head responseHead, body io.Reader) error {
			return decodeInstances(body, remote && !head.translated, &a)
		})
	if err != nil {
		return none, err
	}
	if head.absent {
		return none, faultf(telemetry.DiscoveryServer, "status %d: not a response of Consul", http.StatusNotFound)
	}
	if err := head.whole(len(a.value) == 0); err != nil {
		return none, fmt.Errorf("%w; needed: %s and %s", err, ReadsService(s.name).Rule, ReadsNodes().Rule)
	}
	a.index, a.bytes, a.absent = head.index, head.bytes, len(a.value) == 0
	slices.SortFunc(a.value, compareInstances)
	return a, nil
}

// decodeInstances reads the entries one by one, and keeps of each what we need.
func decodeInstances(body io.Reader, remote bool, into *result[[]cluster.Instance]) error {
	return decodeList(body, maxInstances, func(e entry) {
		i, err := e.instance(remote)
		if err != nil {
			into.leftOut = append(into.leftOut, fmt.Sprintf("%s/%s: %v", i.Node, i.ID, err))
		}
		into.value = append(into.value, i)
	})
}

// instance is what Consul would tell Envoy of an entry. The weight is that of its state, and one below 1 is as good as
// critical. The error is that it has no address that one can connect to; then Address is empty.
func (e *entry) instance(remote bool) (cluster.Instance, error) {
	state, of := e.state()
	i := cluster.Instance{State: state, ID: e.Service.ID, Node: e.Node.Node, Tags: e.Service.Tags}
	if of != nil {
		i.Check = oneLine(cmp.Or(of.Name, of.CheckID))
		i.Output = oneLine(of.said())
	}
	i.Zone = cmp.Or(e.Service.Locality.Zone, e.Node.zone())
	host, port := e.address(remote)
	var err error
	if i.Address, err = written(host, port); err != nil {
		i.Address = ""
	}
	for _, p := range e.Service.Ports {
		address, _ := written(host, p.Port) // one that is none is told of where it is wanted
		i.Ports = append(i.Ports, cluster.Port{Name: p.Name, Address: address})
	}
	weights := e.Service.Weights
	if weights.Passing == 0 && weights.Warning == 0 { // registered straight into the catalog, without weights
		weights.Passing, weights.Warning = 1, 1
	}
	i.Weight = weights.Passing
	if i.State == cluster.Warning {
		i.Weight = weights.Warning
	}
	if i.State < cluster.Critical && i.Weight < 1 {
		i.State = cluster.Critical
	}
	i.Weight = min(max(i.Weight, 1), maxWeight)
	return i, err
}

// maxCheckText bounds what is kept of a check's name and output, in bytes.
const maxCheckText = 160

// oneLine is the first line of a text, bounded, and a copy: what is kept of it does not keep the rest.
func oneLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	if len(line) > maxCheckText {
		line = line[:maxCheckText] + "..."
	}
	line = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return -1
	}, strings.ToValidUTF8(line, ""))
	return strings.Clone(strings.TrimSpace(line))
}

// state is that of the worst check of the node and the service, and which one it is; nil: none is worse than passing.
// Maintenance is a check of Consul's own, and wins.
func (e *entry) state() (worst cluster.State, of *serviceCheck) {
	worst = cluster.Passing
	for i := range e.Checks {
		c := &e.Checks[i]
		state := cluster.Critical // also for what we do not know
		switch {
		case c.Status == "passing":
			state = cluster.Passing
		case c.Status == "warning":
			state = cluster.Warning
		case c.maintenance():
			state = cluster.Maintenance
		}
		if state > worst {
			worst, of = state, c
		}
	}
	return worst, of
}

// address is the service's own, or that of its node. From another datacenter it is the one tagged "wan",
// where there is one.
func (e *entry) address(remote bool) (host string, port int) {
	host, port = e.Service.Address, e.Service.Port
	if wan := e.Service.TaggedAddresses.WAN; remote && host != "" && wan.Address != "" {
		host = wan.Address
		if wan.Port != 0 {
			port = wan.Port
		}
	}
	if host == "" {
		host = e.Node.Address
		if wan := e.Node.TaggedAddresses.WAN; remote && wan != "" {
			host = wan
		}
	}
	return host, port
}

// written is an address in the form that documents have too.
func written(host string, port int) (string, error) {
	if port == 0 {
		return "", errors.New("no port")
	}
	if bare, ok := strings.CutPrefix(host, "["); ok {
		host = strings.TrimSuffix(bare, "]")
	}
	text := net.JoinHostPort(host, strconv.Itoa(port))
	address, err := config.EndpointAddress(text)
	if err != nil {
		return "", fmt.Errorf("address %.100q: %w", text, err)
	}
	return address, nil
}

// localDatacenter is the agent's own. Consul lists the nearest first, and nothing
// is nearer than itself; /v1/agent/self would need more rights.
func (c *Client) localDatacenter(ctx context.Context) (string, error) {
	c.mu.Lock()
	local := c.local
	c.mu.Unlock()
	if local != "" {
		return local, nil
	}
	resp, _, err := c.do(ctx, "/v1/catalog/datacenters", url.Values{}, false)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	if err := decodeList(newBounded(resp.Body, maxElementBytes), maxDatacenters, func(name string) {
		if local == "" {
			local = name
		}
	}); err != nil {
		return "", err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.local = local
	return local, nil
}

// maxDatacenters bounds the list of them.
const maxDatacenters = 1_000

// compareInstances puts instances into one order, whatever order they came in: a
// service is unique on its node only.
func compareInstances(a, b cluster.Instance) int {
	return cmp.Or(strings.Compare(a.Node, b.Node), strings.Compare(a.ID, b.ID))
}
