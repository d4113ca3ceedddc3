package checkup

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/internal/netio"
	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
)

// An app that does not listen yet is worth knowing; a name that nobody knows is wrong; others may come and go.
func TestEndpoints(t *testing.T) {
	failed := func(err error) error { return netio.NewConnectError(&net.OpError{Op: "dial", Err: err}) }
	for _, row := range []struct {
		err   error
		state State
		text  string
	}{
		{nil, Good, "1 of 1 endpoint can be connected to"},
		{failed(errors.New("connection refused")), Notice, "cluster app: a:1: connect: connection refused"},
		{failed(&net.DNSError{Err: "no such host", Name: "a", IsNotFound: true}), Wrong,
			"cluster app: a:1: connect: lookup a: no such host"},
		{failed(&net.DNSError{Err: "server misbehaving", Name: "a", IsTemporary: true}), Notice,
			"cluster app: a:1: connect: lookup a: server misbehaving"},
	} {
		c := &checkup{sections: []Section{{}}}
		c.tellEndpoints([]staticEndpoint{{cluster: "app", address: "a:1", err: row.err}})
		if got := c.sections[0].Findings; len(got) != 1 || got[0].State != row.state || got[0].Text != row.text ||
			(got[0].Do == "") != (row.state == Good) {
			t.Errorf("%v: %+v", row.err, got)
		}
	}
}

// Each endpoint is connected to once, and no more of them than is bounded.
func TestEndpointsAreBounded(t *testing.T) {
	open, closed := testserver.Listen(t).Addr().String(), testserver.Addr(t)
	doc := &config.Document{Clusters: []config.Cluster{
		{Name: "a", Endpoints: []config.Endpoint{{Address: closed}, {Address: open}}},
		{Name: "b", Endpoints: []config.Endpoint{{Address: open}}},
	}}
	c := &checkup{doc: doc, sections: []Section{{}}}
	all := c.staticEndpoints()
	connect(t.Context(), all)
	if len(all) != 2 || all[0].err == nil || all[1].err != nil || all[0].cluster != "a" {
		t.Errorf("%+v", all)
	}
	for i := range mostEndpoints + 1 {
		doc.Clusters[1].Endpoints = append(doc.Clusters[1].Endpoints,
			config.Endpoint{Address: fmt.Sprintf("127.0.0.%d:1", i)})
	}
	c.endpoints(t.Context())
	got := c.sections[0].Findings
	if last := got[len(got)-1]; last.State != Skipped || last.Text != "3 endpoints not tried: more than 200 are named" {
		t.Errorf("%+v", last)
	}
	if !slices.ContainsFunc(got, func(f Finding) bool { return f.Text == "1 of 200 endpoints can be connected to" }) {
		t.Errorf("%+v", got[len(got)-2:])
	}
}
