package testserver

import (
	"cmp"
	"net/http"
	"net/url"
	"strconv"
)

// Service is one instance to register. It has one check, which is set by hand:
// passing at first, then what Pass, Warn and Critical say.
type Service struct {
	ID      string // empty = Name
	Name    string
	Address string // empty = 127.0.0.1
	Port    int
	Ports   []ServicePort // in place of Port
	Tags    []string
	Meta    map[string]string
	Weight  int // while passing; 0 = 1, Consul's default
	Zone    string
	Warning int // weight while warning; 0 = 1, Consul's default
}

// ServicePort is a port with a name.
type ServicePort struct {
	Name    string
	Port    int
	Default bool
}

// Register registers an instance, or changes it.
func (s *ConsulServer) Register(service Service) {
	s.process.t.Helper()
	id := cmp.Or(service.ID, service.Name)
	s.Call(http.MethodPut, "/v1/agent/service/register", map[string]any{
		"ID":       id,
		"Name":     service.Name,
		"Address":  cmp.Or(service.Address, "127.0.0.1"),
		"Port":     service.Port,
		"Ports":    service.Ports,
		"Locality": map[string]string{"Region": service.Zone, "Zone": service.Zone},
		"Tags":     service.Tags,
		"Meta":     service.Meta,
		"Weights":  map[string]int{"Passing": cmp.Or(service.Weight, 1), "Warning": cmp.Or(service.Warning, 1)},
		// Longer than any test: the check changes only when it is told to.
		"Check": map[string]any{"CheckID": check(id), "TTL": "1h", "Status": "passing"},
	})
}

// RegisterNode puts a node with one instance straight into the catalog. No check is ever made.
func (s *ConsulServer) RegisterNode(node string, service Service) {
	s.process.t.Helper()
	s.Call(http.MethodPut, "/v1/catalog/register", map[string]any{
		"Node": node, "Address": service.Address,
		"Service": map[string]any{
			"ID": cmp.Or(service.ID, service.Name), "Service": service.Name, "Address": service.Address,
			"Port": service.Port,
		},
	})
}

// DeregisterNode removes a node and its instances from the catalog.
func (s *ConsulServer) DeregisterNode(node string) {
	s.process.t.Helper()
	s.Call(http.MethodPut, "/v1/catalog/deregister", map[string]any{"Node": node})
}

// Deregister removes an instance.
func (s *ConsulServer) Deregister(id string) {
	s.process.t.Helper()
	s.Call(http.MethodPut, "/v1/agent/service/deregister/"+url.PathEscape(id), nil)
}

// Maintenance takes an instance out for maintenance, or back in.
func (s *ConsulServer) Maintenance(id string, on bool) {
	s.process.t.Helper()
	s.Call(http.MethodPut, "/v1/agent/service/maintenance/"+url.PathEscape(id)+"?enable="+strconv.FormatBool(on), nil)
}

// Pass sets an instance's check to passing.
func (s *ConsulServer) Pass(id string) { s.process.t.Helper(); s.update(id, "passing") }

// Warn sets an instance's check to warning.
func (s *ConsulServer) Warn(id string) { s.process.t.Helper(); s.update(id, "warning") }

// Critical sets an instance's check to critical.
func (s *ConsulServer) Critical(id string) { s.process.t.Helper(); s.update(id, "critical") }

func (s *ConsulServer) update(id, status string) {
	s.process.t.Helper()
	s.Call(http.MethodPut, "/v1/agent/check/update/"+url.PathEscape(check(id)), map[string]string{"Status": status})
}

// check names the check of an instance.
func check(id string) string { return "set-by-test:" + id }
