package consul

import (
	"cmp"
	"context"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/fabian4/gateway-homebrew-go/internal/cluster"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// maxInstances bounds the instances of one service.
const maxInstances = 50_000

// service is what Consul is queried for. The query is the same for all sidecars, so
// that an agent keeps one view of a service for all of them: who wants what of it
// is decided here.
type service struct{ name, datacenter string }

func (s service) String() string {
	if s.datacenter == "" {
		return "health " + strconv.Quote(s.name)
	}
	return "health " + strconv.Quote(s.name) + " dc " + strconv.Quote(s.datacenter)
}

// entry is the part we need of an element of /v1/health/service.
type entry struct {
	Node struct {
		Node            string
		Address         string
		TaggedAddresses struct {
			WAN string `json:"wan"`
		}
	}
	Service struct {
		ID              string
		Tags            []string
		Address         string
		Port            int
		TaggedAddresses struct {
			WAN struct {
				Address string
				Port    int
			} `json:"wan"`
		}
		Weights struct{ Passing, Warning int }
	}
	Checks []struct{ CheckID, Status string }
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
	var entries []entry
	r, err := c.get(ctx, "/v1/health/service/"+s.name, query, q, func(body io.Reader) (err error) {
		entries, err = decodeEntries(body)
		return err
	})
	if err != nil {
		return none, err
	}
	if r.absent {
		return none, faultf(telemetry.DiscoveryServer, "status %d: not a response of Consul", http.StatusNotFound)
	}
	if err := r.whole(len(entries) == 0); err != nil {
		return none, err
	}
	a := result[[]cluster.Instance]{index: r.index, bytes: r.bytes, absent: len(entries) == 0}
	a.value = make([]cluster.Instance, 0, len(entries))
	for i := range entries {
		a.value = append(a.value, entries[i].instance(remote && !r.translated))
	}
	slices.SortFunc(a.value, compareInstances)
	return a, nil
}

func decodeEntries(body io.Reader) ([]entry, error) {
	var entries []entry
	err := decodeList(body, maxInstances, func(e entry) { entries = append(entries, e) })
	return entries, err
}

// instance is what Consul would tell Envoy of an entry: the weight is that of its
// state, and one below 1 is as good as critical.
func (e *entry) instance(remote bool) cluster.Instance {
	i := cluster.Instance{
		Address: e.address(remote), State: e.state(), ID: e.Service.ID, Node: e.Node.Node, Tags: e.Service.Tags,
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
	return i
}

// state is the worst check of the node and the service. Maintenance is a check of
// Consul's own, and wins.
func (e *entry) state() cluster.State {
	worst := cluster.Passing
	for _, c := range e.Checks {
		state := cluster.Critical // also for what we do not know
		switch {
		case c.Status == "passing":
			state = cluster.Passing
		case c.Status == "warning":
			state = cluster.Warning
		case c.CheckID == "_node_maintenance", strings.HasPrefix(c.CheckID, "_service_maintenance"):
			state = cluster.Maintenance
		}
		worst = max(worst, state)
	}
	return worst
}

// address is the service's own, or that of its node. From another datacenter it
// is the one tagged "wan", where there is one.
func (e *entry) address(remote bool) string {
	host, port := e.Service.Address, e.Service.Port
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
	if host == "" || port < 1 || port > 65535 {
		return ""
	}
	return net.JoinHostPort(host, strconv.Itoa(port))
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
	if err := decodeList(resp.Body, maxDatacenters, func(name string) {
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
