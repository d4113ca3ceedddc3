package sidecar_test

import (
	"fmt"
	"maps"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
)

// A revision that differs only in only_passing is prepared and aborted. The one
// that serves goes on with the endpoints that it had, in both directions.
func testOnlyPassingAborted(t *testing.T, consul *testserver.ConsulServer) {
	for _, row := range []struct {
		name              string
		serving, prepared bool // only_passing
		want              map[string]int
	}{
		{"serving without", false, true, map[string]int{"a": 4, "b": 4}},
		{"serving with", true, false, map[string]int{"a": 8}},
	} {
		t.Run(row.name, func(t *testing.T) {
			service := fmt.Sprint("filter-", row.serving)
			for _, id := range []string{"a", "b"} {
				consul.Register(testserver.Service{
					ID: service + "-" + id, Name: service, Weight: 1, Warning: 1, Port: port(t, app(t, id)),
				})
			}
			consul.Warn(service + "-b")
			document := func(onlyPassing bool) string {
				return fmt.Sprintf("routes: [{name: all, cluster: shop}]\n"+
					"clusters: [{name: shop, consul: {service: %s, only_passing: %v}}]\n", service, onlyPassing)
			}
			g, key := follower(t, consul, nil)
			consul.KVPut(key, document(row.serving))
			g.wait("both endpoints", func(s status) bool {
				return len(s.Clusters) == 1 &&
					len(s.Clusters[0].Endpoints) == 2
			})
			g.splits("/", row.want)

			taken := testserver.Listen(t).Addr().String() // so it is prepared, and then cannot be bound
			consul.KVPut(key, fmt.Sprintf("listeners: [{name: more, address: %q}]\n", taken)+document(row.prepared))
			g.rejection()
			if got := g.split("/", 8); !maps.Equal(got, row.want) {
				t.Errorf("8 requests were split %v after the other revision was aborted, want %v", got, row.want)
			}
			consul.KVPut(key, document(row.prepared))
			want := map[string]int{"a": 8}
			if !row.prepared {
				want = map[string]int{"a": 4, "b": 4}
			}
			g.splits("/", want)
		})
	}
}
