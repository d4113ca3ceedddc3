package consul

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// show writes endpoints as address*weight/state.
func show(e Endpoints) string {
	var all []string
	for _, i := range e.Instances {
		all = append(all, fmt.Sprintf("%s*%d/%v", i.Address, i.Weight, i.State))
	}
	if e.Negative {
		all = append(all, "negative")
	}
	return strings.Join(all, " ")
}

func TestEndpointsOf(t *testing.T) {
	at := func(address string, state State, passing, warning int, tags ...string) record {
		return record{node: "n", id: address, address: address, state: state, passing: passing, warning: warning, tags: tags}
	}
	for _, row := range []struct {
		name    string
		query   Query
		records []record
		want    string
	}{
		{"none", Query{}, nil, "negative"},
		{"in order of address", Query{}, []record{at("b:1", Passing, 1, 1), at("a:1", Passing, 2, 1)}, "a:1*2/passing b:1*1/passing"},
		{"the weight is that of the state", Query{}, []record{at("a:1", Warning, 5, 2)}, "a:1*2/warning"},
		{"a weight of 0 while warning is critical", Query{}, []record{at("a:1", Warning, 5, 0)}, "a:1*1/critical"},
		{"a negative weight is critical", Query{}, []record{at("a:1", Passing, -1, 1)}, "a:1*1/critical"},
		{"weights are capped as for Envoy", Query{}, []record{at("a:1", Passing, 1000, 1)}, "a:1*128/passing"},
		{"critical keeps its weight for a panic", Query{}, []record{at("a:1", Critical, 7, 1)}, "a:1*7/critical"},
		{"maintenance", Query{}, []record{at("a:1", Maintenance, 7, 1)}, "a:1*7/maintenance"},
		{"only passing", Query{OnlyPassing: true}, []record{at("a:1", Warning, 5, 2), at("b:1", Passing, 5, 2)}, "a:1*2/critical b:1*5/passing"},
		{"tag, in any case", Query{Tag: "v1"}, []record{at("a:1", Passing, 1, 1, "x", "V1"), at("b:1", Passing, 1, 1, "v2")}, "a:1*1/passing"},
		{"nothing with the tag", Query{Tag: "v3"}, []record{at("a:1", Passing, 1, 1)}, "negative"},
		{"nothing with a port", Query{}, []record{at("", Passing, 1, 1)}, "negative"},
		{"one address twice: the healthier", Query{}, []record{at("a:1", Critical, 1, 1), at("a:1", Passing, 3, 1)}, "a:1*3/passing"},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := show(endpointsOf(row.query, row.records)); got != row.want {
				t.Errorf("endpointsOf = %s, want %s", got, row.want)
			}
		})
	}
}

func TestEntry(t *testing.T) {
	const node = `"Node":{"Node":"n1","Address":"10.0.0.9","TaggedAddresses":{"lan":"10.0.0.9","wan":"192.0.2.9"}}`
	for _, row := range []struct {
		name, service, checks string
		remote                bool
		address               string
		state                 State
		passing, warning      int
	}{
		{name: "the node's address", service: `"Port":80`, address: "10.0.0.9:80", passing: 1, warning: 1},
		{name: "the service's own", service: `"Address":"10.0.0.1","Port":80`, address: "10.0.0.1:80", passing: 1, warning: 1},
		{name: "IPv6", service: `"Address":"fd00::1","Port":80`, address: "[fd00::1]:80", passing: 1, warning: 1},
		{name: "no port", service: `"Address":"10.0.0.1","Port":0`, passing: 1, warning: 1},
		{name: "a port that is none", service: `"Address":"10.0.0.1","Port":65536`, passing: 1, warning: 1},
		{name: "remote: the node's wan address", service: `"Port":80`, remote: true, address: "192.0.2.9:80", passing: 1, warning: 1},
		{name: "remote: the service has none of its own", service: `"Address":"10.0.0.1","Port":80`, remote: true, address: "10.0.0.1:80", passing: 1, warning: 1},
		{
			name:    "remote: the service's wan address",
			service: `"Address":"10.0.0.1","Port":80,"TaggedAddresses":{"wan":{"Address":"192.0.2.1","Port":8080}}`,
			remote:  true, address: "192.0.2.1:8080", passing: 1, warning: 1,
		},
		{name: "weights", service: `"Port":80,"Weights":{"Passing":5,"Warning":0}`, address: "10.0.0.9:80", passing: 5},
		{name: "worst check", service: `"Port":80`, checks: `{"Status":"passing"},{"Status":"warning"}`, address: "10.0.0.9:80", state: Warning, passing: 1, warning: 1},
		{name: "critical", service: `"Port":80`, checks: `{"Status":"critical"},{"Status":"warning"}`, address: "10.0.0.9:80", state: Critical, passing: 1, warning: 1},
		{name: "unknown state", service: `"Port":80`, checks: `{"Status":"new"}`, address: "10.0.0.9:80", state: Critical, passing: 1, warning: 1},
		{
			name: "service maintenance", service: `"Port":80`,
			checks:  `{"CheckID":"_service_maintenance:api","Status":"critical"},{"Status":"critical"}`,
			address: "10.0.0.9:80", state: Maintenance, passing: 1, warning: 1,
		},
		{
			name: "node maintenance", service: `"Port":80`, checks: `{"CheckID":"_node_maintenance","Status":"critical"}`,
			address: "10.0.0.9:80", state: Maintenance, passing: 1, warning: 1,
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			text := `[{` + node + `,"Service":{"ID":"x",` + row.service + `},"Checks":[` + row.checks + `]}]`
			entries, err := decodeEntries(strings.NewReader(text))
			if err != nil || len(entries) != 1 {
				t.Fatalf("decodeEntries: %d, %v", len(entries), err)
			}
			got := entries[0].record(row.remote)
			want := record{node: "n1", id: "x", address: row.address, state: row.state, passing: row.passing, warning: row.warning}
			if !sameRecords([]record{got}, []record{want}) {
				t.Errorf("record %+v, want %+v", got, want)
			}
		})
	}
}

func FuzzHealthAnswer(f *testing.F) {
	f.Add([]byte(oneInstance), "", false)
	f.Add([]byte(`[{"Service":{"Port":1,"Tags":["a"],"Weights":{"Passing":-1,"Warning":9999999}},"Checks":[{"Status":"warning"}]}]`), "A", true)
	f.Add([]byte(`[{"Node":null,"Service":null,"Checks":null},{}]`), "", true)
	f.Add([]byte(`[`), "", false)
	f.Fuzz(func(t *testing.T, text []byte, tag string, flag bool) {
		body := &bounded{r: strings.NewReader(string(text)), left: 1 << 16}
		entries, err := decodeEntries(body)
		if err != nil && classOf(err).String() == "acl" {
			t.Fatalf("class acl from a body: %v", err)
		}
		var records []record
		for i := range entries {
			records = append(records, entries[i].record(flag))
		}
		e := endpointsOf(Query{Service: "x", Tag: tag, OnlyPassing: flag}, records)
		if e.Negative != (len(e.Instances) == 0) {
			t.Fatalf("negative = %v with %d instances", e.Negative, len(e.Instances))
		}
		if !slices.IsSortedFunc(e.Instances, func(a, b Instance) int { return strings.Compare(a.Address, b.Address) }) {
			t.Fatalf("not in order: %+v", e.Instances)
		}
		for i, in := range e.Instances {
			if in.Weight < 1 || in.Weight > maxWeight || in.State > Maintenance || in.Address == "" {
				t.Fatalf("instance %+v", in)
			}
			if i > 0 && e.Instances[i-1].Address == in.Address {
				t.Fatalf("%s twice", in.Address)
			}
			if flag && in.State == Warning {
				t.Fatalf("%+v though only passing ones were asked for", in)
			}
		}
	})
}
