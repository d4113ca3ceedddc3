package route

import (
	"strconv"
	"strings"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// However many processors compile, the routes are those of the document in its order, and the error is of the first
// one that has one.
func TestCompileOnProcessors(t *testing.T) {
	doc := &config.Document{Routes: make([]config.Route, 3*leastShare)}
	for i := range doc.Routes {
		rt := &doc.Routes[i]
		rt.Name, rt.Match.Path = "r"+strconv.Itoa(i), "/"+strconv.Itoa(i)
		rt.Clusters = []config.WeightedCluster{{Name: "app", Weight: 1}}
	}
	for _, processors := range []int{0, 1, 2, 3, 100} {
		o := Options{
			Document: doc, Upstreams: map[string]*Upstream{"app": {}}, Registry: telemetry.NewRegistry(),
			Processors: processors,
		}
		table, err := Compile(o)
		if err != nil {
			t.Fatal(err)
		}
		for i, rt := range table.router.routes {
			if rt.Config != &doc.Routes[i] || rt.Telemetry != o.Registry.Route(rt.Name) {
				t.Fatalf("%d processors: route %d is %s", processors, i, rt.Name)
			}
		}
		broken := *doc
		broken.Routes = append([]config.Route(nil), doc.Routes...)
		for _, i := range []int{leastShare + 7, 2*leastShare + 7, 3*leastShare - 1} {
			broken.Routes[i].Clusters = []config.WeightedCluster{{Name: "nobody", Weight: 1}}
		}
		o.Document = &broken
		want := "routes[" + strconv.Itoa(leastShare+7) + "]"
		if _, err := Compile(o); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%d processors: %v, want the error of %s", processors, err, want)
		}
	}
}
