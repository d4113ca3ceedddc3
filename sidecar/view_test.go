package sidecar

import (
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/fabian4/gateway-homebrew-go/internal/cluster"
	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// A cluster that is only in preparation is not in the status, nor one of a revision that serves no more.
func TestClustersOfTheDocument(t *testing.T) {
	s := &Sidecar{set: cluster.NewSet(cluster.Options{
		Registry: telemetry.NewRegistry(), Logger: hclog.NewNullLogger(),
	})}
	for _, name := range []string{"before", "serves", "prepared"} {
		if _, err := s.set.Prepare(&config.Cluster{Name: name}); err != nil {
			t.Fatal(err)
		}
	}
	got := s.clusters(&config.Document{Clusters: []config.Cluster{{Name: "serves"}, {Name: "elsewhere"}}})
	if len(got) != 1 || got[0].Name != "serves" {
		t.Errorf("clusters %+v, want the one that serves", got)
	}
	if got = s.clusters(nil); len(got) != 0 {
		t.Errorf("clusters %+v before there is a document, want none", got)
	}
}

// What the registry and the log know of the gateway's own faults is in the status, and so among its trouble.
func TestStatusHasFaultsOfTheGateway(t *testing.T) {
	a := newApplier(t)
	a.registry.Panics.Recovered(telemetry.L4, hclog.NewNullLogger(), "a connection", "boom", nil)
	s := a.status()
	if p := s.Panics; p.L4 != 1 || p.LastIn != "a connection" {
		t.Errorf("panics %+v, want one", p)
	}
	const want = "the gateway itself is at fault: 1 panic since its start, the last in a connection, "
	if got := findTrouble(&s, time.Now()); len(got) != 1 || !strings.HasPrefix(got[0], want) {
		t.Errorf("trouble %q, want %q", got, want)
	}
}
