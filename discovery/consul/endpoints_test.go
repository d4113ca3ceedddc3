package consul

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/internal/cluster"
	"github.com/fabian4/gateway-homebrew-go/internal/config"
)

// show writes endpoints as address*weight/state.
func show(e Endpoints) string {
	var all []string
	for _, i := range e.Instances {
		all = append(all, fmt.Sprintf("%s*%d/%v", i.Address, i.Weight, i.State))
	}
	if len(e.Instances) == 0 {
		all = append(all, "negative")
	}
	return strings.Join(all, " ")
}

// Two queries that differ are told apart, whatever it is that differs.
func TestQueriesAreToldApart(t *testing.T) {
	base := Query{Service: "a", Tags: "a", Filter: "a", Port: "a", Datacenter: "a"}
	for i := range reflect.TypeFor[Query]().NumField() {
		other := base
		reflect.ValueOf(&other).Elem().Field(i).SetString("b")
		name := reflect.TypeFor[Query]().Field(i).Name
		if compareQueries(base, other) >= 0 || compareQueries(other, base) <= 0 {
			t.Errorf("%s: the order of two queries that differ in it is open", name)
		}
		if base.String() == other.String() {
			t.Errorf("%s: two queries that differ in it are both %q", name, base.String())
		}
	}
}

func TestEndpointsOf(t *testing.T) {
	at := func(address string, state cluster.State, weight int, tags ...string) cluster.Instance {
		return cluster.Instance{Node: "n", ID: address, Address: address, State: state, Weight: weight, Tags: tags}
	}
	for _, row := range []struct {
		name    string
		query   Query
		service []cluster.Instance
		want    string
	}{
		{"none", Query{}, nil, "negative"},
		{"in order of address", Query{}, []cluster.Instance{at("b:1", cluster.Passing, 1),
			at("a:1", cluster.Passing, 2)}, "a:1*2/passing b:1*1/passing"},
		{"states stay as they are", Query{}, []cluster.Instance{at("a:1", cluster.Warning, 2),
			at("b:1", cluster.Maintenance, 7)}, "a:1*2/warning b:1*7/maintenance"},
		{"tag, in any case", Query{Tags: "v1"},
			[]cluster.Instance{at("a:1", cluster.Passing, 1, "x", "V1"), at("b:1", cluster.Passing, 1, "v2")},
			"a:1*1/passing"},
		{"all of several tags", Query{Tags: config.TagsOf("v1", "eu")}, []cluster.Instance{
			at("a:1", cluster.Passing, 1, "EU", "v1", "x"), at("b:1", cluster.Passing, 1, "v1"),
			at("c:1", cluster.Passing, 1, "eu"), at("d:1", cluster.Passing, 1),
		}, "a:1*1/passing"},
		{"nothing with the tag", Query{Tags: "v3"}, []cluster.Instance{at("a:1", cluster.Passing, 1)}, "negative"},
		{"nothing with a port", Query{}, []cluster.Instance{at("", cluster.Passing, 1)}, "negative"},
		{"one address twice: the healthier", Query{},
			[]cluster.Instance{at("a:1", cluster.Critical, 1), at("a:1", cluster.Passing, 3)}, "a:1*3/passing"},
	} {
		t.Run(row.name, func(t *testing.T) {
			e, leftOut := endpointsOf(row.query, row.service)
			if got := show(e); got != row.want {
				t.Errorf("endpointsOf = %s, want %s", got, row.want)
			}
			if len(leftOut) > 0 {
				t.Errorf("left out: %q", leftOut)
			}
		})
	}
}

// An instance without the port that a query names is left out by name, if the query wants it at all.
func TestEndpointsOfPort(t *testing.T) {
	service := []cluster.Instance{
		{Node: "n", ID: "both", Address: "a:80", Weight: 1, Tags: []string{"v1"}, Ports: []cluster.Port{
			{Name: "http", Address: "a:80"}, {Name: "admin", Address: "a:81"}}},
		{Node: "n", ID: "http", Address: "b:80", Weight: 1, Tags: []string{"v1"}, Ports: []cluster.Port{
			{Name: "http", Address: "b:80"}, {Name: "Admin", Address: "b:82"}}},
		{Node: "n", ID: "one", Address: "c:80", Weight: 1, Tags: []string{"v2"}},
		{Node: "n", ID: "bad", Weight: 1, Tags: []string{"v2"}, Ports: []cluster.Port{{Name: "admin"}}},
	}
	for _, row := range []struct {
		query   Query
		want    string
		leftOut []string
	}{
		{Query{}, "a:80*1/passing b:80*1/passing c:80*1/passing", nil},
		{Query{Port: "admin"}, "a:81*1/passing", []string{
			"n/http: no port admin, but http, Admin", "n/one: no port admin: none of its ports has a name",
			"n/bad: its port admin has no usable address",
		}},
		{Query{Port: "http", Tags: "v1"}, "a:80*1/passing b:80*1/passing", nil},
		{Query{Port: "admin", Tags: "v1"}, "a:81*1/passing", []string{"n/http: no port admin, but http, Admin"}},
	} {
		e, leftOut := endpointsOf(row.query, service)
		if got := show(e); got != row.want || !slices.Equal(leftOut, row.leftOut) {
			t.Errorf("%s: %s, left out %q; want %s, %q", row.query, got, leftOut, row.want, row.leftOut)
		}
		for _, i := range e.Instances {
			if i.Ports != nil {
				t.Errorf("%s: %s still has the ports that nobody wants", row.query, i.Address)
			}
		}
	}
}

// Where a query finds no instance, the reason is the one that people can act on.
func TestAbsence(t *testing.T) {
	with := func(id, address string, tags []string, ports ...string) cluster.Instance {
		i := cluster.Instance{Node: "n", ID: id, Address: address, Weight: 1, Tags: tags}
		for _, name := range ports {
			i.Ports = append(i.Ports, cluster.Port{Name: name, Address: id + ":81"})
		}
		return i
	}
	named := with("a", "a:80", []string{"v1"}, "http", "api")
	also := with("b", "b:80", []string{"v1", "eu"}, "api", "Admin")
	plain := with("c", "c:80", []string{"v2"})
	closed := with("d", "", []string{"v3"})
	many := with("e", "e:80", nil, "p0", "p1", "p2", "p3", "p4", "p5", "p6", "p7", "p8", "p9")
	for _, row := range []struct {
		query   Query
		service []cluster.Instance
		want    string
	}{
		{Query{}, nil, ""},
		{Query{Tags: "v1", Port: "http"}, nil, ""},
		{Query{Filter: "a == b"}, nil, "not in the catalog, or no instance fits the filter"},
		{Query{Tags: "v2"}, []cluster.Instance{named, plain}, ""},
		{Query{Tags: "v9"}, []cluster.Instance{named}, "its only instance does not have the tag v9"},
		{Query{Tags: "v9"}, []cluster.Instance{named, plain}, "none of its 2 instances has the tag v9"},
		{Query{Tags: config.TagsOf("v1", "v2"), Filter: "a == b"}, []cluster.Instance{named, plain},
			"none of its 2 instances has the tags v1, v2"},
		{Query{Port: "admin"}, []cluster.Instance{named, also, plain},
			"none of its 3 instances has a usable port admin: their ports are Admin, api, http"},
		{Query{Port: "admin", Tags: "eu"}, []cluster.Instance{named, also, plain},
			"its only instance has no usable port admin: its ports are Admin, api"},
		{Query{Port: "admin"}, []cluster.Instance{plain},
			"its only instance has no usable port admin: none of its ports has a name"},
		{Query{Port: "admin"}, []cluster.Instance{with("f", "f:80", nil, "x")},
			"its only instance has no usable port admin: its only named port is x"},
		{Query{Port: "admin"}, []cluster.Instance{many}, "its only instance has no usable port admin: its ports are " +
			"p0, p1, p2, p3, p4, p5, p6, p7 and 2 more"},
		{Query{Port: "admin"}, []cluster.Instance{{ID: "g", Ports: []cluster.Port{{Name: "admin"}}}},
			"its only instance has no usable port admin: its only named port is admin"},
		{Query{}, []cluster.Instance{closed}, "its only instance has no usable address"},
		{Query{}, []cluster.Instance{closed, closed}, "none of its 2 instances has a usable address"},
	} {
		if e, _ := endpointsOf(row.query, row.service); e.Absence != row.want {
			t.Errorf("%s of %d: %q, want %q", row.query, len(row.service), e.Absence, row.want)
		}
	}
}

func TestEntryPorts(t *testing.T) {
	const ports = `"Ports":[{"Name":"http","Port":80,"Default":true},{"Name":"admin","Port":81},{"Name":"none",` +
		`"Port":0}]`
	for _, row := range []struct {
		name, service string
		remote        bool
		want          string
	}{
		{"the service's address", `"Address":"10.0.0.1","Port":80,` + ports, false,
			"[{http 10.0.0.1:80} {admin 10.0.0.1:81} {none }]"},
		{"the node's address", `"Port":80,` + ports, false, "[{http 10.0.0.9:80} {admin 10.0.0.9:81} {none }]"},
		{"remote: the wan address, with its own numbers",
			`"Address":"10.0.0.1","Port":80,"TaggedAddresses":{"wan":{"Address":"192.0.2.1","Port":8080}},` + ports,
			true, "[{http 192.0.2.1:80} {admin 192.0.2.1:81} {none }]"},
		{"no names", `"Port":80`, false, "[]"},
	} {
		text := `[{"Node":{"Node":"n1","Address":"10.0.0.9"},"Service":{"ID":"x",` + row.service + `}}]`
		var r result[[]cluster.Instance]
		if err := decodeInstances(strings.NewReader(text), row.remote, &r); err != nil || len(r.leftOut) > 0 {
			t.Fatalf("%s: %q left out, %v", row.name, r.leftOut, err)
		}
		if got := fmt.Sprint(r.value[0].Ports); got != row.want {
			t.Errorf("%s: ports %s, want %s", row.name, got, row.want)
		}
	}
}

func TestEntry(t *testing.T) {
	const node = `"Node":{"Node":"n1","Address":"10.0.0.9","TaggedAddresses":{"lan":"10.0.0.9","wan":"192.0.2.9"}}`
	for _, row := range []struct {
		name, service, checks string
		remote                bool
		address               string
		state                 cluster.State
		weight                int
	}{
		{name: "the node's address", service: `"Port":80`, address: "10.0.0.9:80", weight: 1},
		{name: "the service's own", service: `"Address":"10.0.0.1","Port":80`, address: "10.0.0.1:80", weight: 1},
		{name: "IPv6", service: `"Address":"fd00::1","Port":80`, address: "[fd00::1]:80", weight: 1},
		{name: "IPv6 in brackets", service: `"Address":"[::1]","Port":80`, address: "[::1]:80", weight: 1},
		{name: "IPv6 at length", service: `"Address":"0:0:0:0:0:0:0:1","Port":80`, address: "[::1]:80", weight: 1},
		{name: "IPv4 in IPv6", service: `"Address":"::ffff:10.0.0.1","Port":80`, address: "10.0.0.1:80", weight: 1},
		{name: "a name", service: `"Address":"Api.Example.com","Port":80`, address: "api.example.com:80", weight: 1},
		{name: "a URL", service: `"Address":"http://127.0.0.1","Port":80`, weight: 1},
		{name: "a space", service: `"Address":"a b","Port":80`, weight: 1},
		{name: "a port in the address", service: `"Address":"10.0.0.1:81","Port":80`, weight: 1},
		{name: "no port", service: `"Address":"10.0.0.1","Port":0`, weight: 1},
		{name: "a port that is none", service: `"Address":"10.0.0.1","Port":65536`, weight: 1},
		{name: "remote: the node's wan address", service: `"Port":80`, remote: true, address: "192.0.2.9:80",
			weight: 1},
		{name: "remote: the service has none of its own", service: `"Address":"10.0.0.1","Port":80`, remote: true,
			address: "10.0.0.1:80", weight: 1},
		{
			name:    "remote: the service's wan address",
			service: `"Address":"10.0.0.1","Port":80,"TaggedAddresses":{"wan":{"Address":"192.0.2.1","Port":8080}}`,
			remote:  true, address: "192.0.2.1:8080", weight: 1,
		},
		{name: "weights", service: `"Port":80,"Weights":{"Passing":5,"Warning":0}`, address: "10.0.0.9:80", weight: 5},
		{name: "the weight is that of the state", service: `"Port":80,"Weights":{"Passing":5,"Warning":2}`,
			checks: `{"Status":"warning"}`, address: "10.0.0.9:80", state: cluster.Warning, weight: 2},
		{name: "a weight of 0 while warning is critical", service: `"Port":80,"Weights":{"Passing":5,"Warning":0}`,
			checks: `{"Status":"warning"}`, address: "10.0.0.9:80", state: cluster.Critical, weight: 1},
		{name: "a negative weight is critical", service: `"Port":80,"Weights":{"Passing":-1,"Warning":1}`,
			address: "10.0.0.9:80", state: cluster.Critical, weight: 1},
		{name: "weights are capped as for Envoy", service: `"Port":80,"Weights":{"Passing":1000,"Warning":1}`,
			address: "10.0.0.9:80", weight: 128},
		{name: "critical keeps its weight for a panic", service: `"Port":80,"Weights":{"Passing":7,"Warning":1}`,
			checks: `{"Status":"critical"}`, address: "10.0.0.9:80", state: cluster.Critical, weight: 7},
		{name: "so does maintenance", service: `"Port":80,"Weights":{"Passing":7,"Warning":1}`,
			checks: `{"CheckID":"_node_maintenance","Status":"critical"}`, address: "10.0.0.9:80",
			state: cluster.Maintenance, weight: 7},
		{name: "worst check", service: `"Port":80`, checks: `{"Status":"passing"},{"Status":"warning"}`,
			address: "10.0.0.9:80", state: cluster.Warning, weight: 1},
		{name: "critical", service: `"Port":80`, checks: `{"Status":"critical"},{"Status":"warning"}`,
			address: "10.0.0.9:80", state: cluster.Critical, weight: 1},
		{name: "unknown state", service: `"Port":80`, checks: `{"Status":"new"}`, address: "10.0.0.9:80",
			state: cluster.Critical, weight: 1},
		{
			name: "service maintenance", service: `"Port":80`,
			checks:  `{"CheckID":"_service_maintenance:api","Status":"critical"},{"Status":"critical"}`,
			address: "10.0.0.9:80", state: cluster.Maintenance, weight: 1,
		},
		{
			name: "node maintenance", service: `"Port":80`,
			checks:  `{"CheckID":"_node_maintenance","Status":"critical"}`,
			address: "10.0.0.9:80", state: cluster.Maintenance, weight: 1,
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			text := `[{` + node + `,"Service":{"ID":"x",` + row.service + `},"Checks":[` + row.checks + `]}]`
			var r result[[]cluster.Instance]
			err := decodeInstances(strings.NewReader(text), row.remote, &r)
			if err != nil || len(r.value) != 1 || (len(r.leftOut) == 0) != (row.address != "") {
				t.Fatalf("%d instances, %q left out, %v", len(r.value), r.leftOut, err)
			}
			got := r.value[0]
			want := cluster.Instance{Node: "n1", ID: "x", Address: row.address, State: row.state, Weight: row.weight}
			want.Check = got.Check // of it see TestWorstCheck
			if !got.Same(want) {
				t.Errorf("instance %+v, want %+v", got, want)
			}
		})
	}
}

// The worst check is told by its name, with what it says in a line.
func TestWorstCheck(t *testing.T) {
	long := strings.Repeat("x", 2*maxCheckText)
	for _, row := range []struct{ checks, check, output string }{
		{`{"CheckID":"a","Name":"port","Status":"passing","Output":"fine"}`, "", ""},
		{`{"CheckID":"a","Status":"warning","Output":"slow"},{"CheckID":"b","Name":"pool","Status":"critical",` +
			`"Output":"  50 of 50\u001b[2J in use\nmore"},{"CheckID":"c","Name":"late","Status":"critical"}`,
			"pool", "50 of 50[2J in use"},
		{`{"CheckID":"a","Status":"critical","Output":"","Notes":"what it is for"}`, "a", ""},
		{`{"CheckID":"a","Name":"` + long + `","Status":"critical","Output":"` + long + `"}`,
			long[:maxCheckText] + "...", long[:maxCheckText] + "..."},
		{`{"CheckID":"_node_maintenance","Name":"Node Maintenance Mode","Status":"critical","Notes":"a disk"}`,
			"Node Maintenance Mode", "a disk"},
		{`{"CheckID":"_service_maintenance:x","Name":"Service Maintenance Mode","Status":"critical",` +
			`"Notes":"Maintenance mode is enabled for this service, but no reason was provided. This is a default ` +
			`message."}`,
			"Service Maintenance Mode", ""},
	} {
		text := `[{"Node":{"Address":"10.0.0.9"},"Service":{"ID":"x","Port":80},"Checks":[` + row.checks + `]}]`
		var r result[[]cluster.Instance]
		if err := decodeInstances(strings.NewReader(text), false, &r); err != nil {
			t.Fatal(err)
		}
		if got := r.value[0]; got.Check != row.check || got.Output != row.output {
			t.Errorf("%s: check %q says %q, want %q, %q", row.checks, got.Check, got.Output, row.check, row.output)
		}
	}
}

func FuzzHealthAnswer(f *testing.F) {
	f.Add([]byte(oneInstance), "", false)
	f.Add([]byte(`[{"Service":{"Port":1,"Tags":["a"],"Weights":{"Passing":-1,"Warning":9999999}},`+
		`"Checks":[{"Status":"warning"}]}]`), "A", true)
	f.Add([]byte(`[{"Node":null,"Service":null,"Checks":null},{}]`), "", true)
	f.Add([]byte(`[`), "", false)
	f.Fuzz(func(t *testing.T, text []byte, tag string, flag bool) {
		body := &bounded{r: strings.NewReader(string(text)), left: 1 << 16}
		var r result[[]cluster.Instance]
		err := decodeInstances(body, flag, &r)
		if err != nil && classOf(err).String() == "acl" {
			t.Fatalf("class acl from a body: %v", err)
		}
		e, _ := endpointsOf(Query{Service: "x", Tags: config.Tags(tag)}, r.value)
		if !slices.IsSortedFunc(e.Instances, func(a, b cluster.Instance) int {
			return strings.Compare(a.Address,
				b.Address)
		}) {
			t.Fatalf("not in order: %+v", e.Instances)
		}
		for i, in := range e.Instances {
			if a, err := config.EndpointAddress(in.Address); a != in.Address || err != nil {
				t.Fatalf("address %q, whose form is %q, %v", in.Address, a, err)
			}
			if in.Weight < 1 || in.Weight > maxWeight || in.State > cluster.Maintenance || in.Address == "" {
				t.Fatalf("instance %+v", in)
			}
			if i > 0 && e.Instances[i-1].Address == in.Address {
				t.Fatalf("%s twice", in.Address)
			}
		}
	})
}
