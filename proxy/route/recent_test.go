package route

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/internal/cluster"
	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/proxy/http1"
	"github.com/fabian4/gateway-homebrew-go/proxy/message"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// compiled is the table of a document with the clusters a and b.
func compiled(t testing.TB, recent *Recent, routes string) *Table {
	t.Helper()
	doc, err := config.Decode([]byte("listeners: [{name: web, address: \":80\"}, {name: other, address: \":81\"}]\n"+
		"clusters:\n- {name: a, endpoints: [\"10.0.0.1:80\"]}\n"+
		"- {name: b, endpoints: [\"10.0.0.2:80\"]}\nroutes:\n"+routes), config.Standard())
	if err != nil {
		t.Fatal(err)
	}
	set := cluster.NewSet(cluster.Options{})
	upstreams := map[string]*Upstream{}
	for i := range doc.Clusters {
		c, err := set.Prepare(&doc.Clusters[i])
		if err != nil {
			t.Fatal(err)
		}
		upstreams[c.Name()] = &Upstream{Cluster: c}
	}
	table, err := Compile(Options{
		Document: doc, Upstreams: upstreams, Registry: telemetry.NewRegistry(), Recent: recent,
		Listeners: map[string]string{":80": "web", ":81": "other"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// ask decides a request, in the lines of its head, at a moment.
func ask(t testing.TB, table *Table, at int64, listener, lines string) {
	t.Helper()
	h := new(message.Head)
	limits := http1.DefaultLimits()
	text := strings.Replace(lines, "\n", " HTTP/1.1\r\n", 1)
	if err := http1.ParseRequest([]byte(strings.ReplaceAll(text, ";", "\r\n")+"\r\n\r\n"), h, &limits); err != nil {
		t.Fatal(lines, err)
	}
	var d Decision
	_ = table.Decide(&d, h, &Client{IP: "10.1.1.1", Listener: &Listener{Address: listener}}, at, new(Workspace))
}

func TestReplay(t *testing.T) {
	const before = `
- {name: canary, match: {host: shop.example.com, path_prefix: /shop, headers: {x-canary: "1"}}, cluster: b}
- {name: german, match: {host: shop.example.com, path_prefix: /shop, query: {lang: de}}, cluster: b}
- {name: inside, match: {path_prefix: /in, source: [10.0.0.0/8]}, cluster: a}
- {name: other, match: {path_prefix: /port}, listeners: [other], cluster: a}
- {name: shop, match: {host: shop.example.com}, cluster: a}
- {name: api, match: {path_prefix: /api, methods: [GET]}, cluster: a}
`
	edit := func(pairs ...string) string { return strings.NewReplacer(pairs...).Replace(before) }
	// What a condition looks at must be in a shape, so every kind of condition must be in before.
	for i := range reflect.TypeFor[conditions]().NumField() {
		if !slices.ContainsFunc(compiled(t, nil, before).router.routes, func(rt *Route) bool {
			return reflect.ValueOf(rt.wants).Field(i).Len() > 0
		}) {
			t.Errorf("no route has the condition %s", reflect.TypeFor[conditions]().Field(i).Name)
		}
	}
	for _, row := range []struct {
		name, next  string
		moved, lost int
	}{
		{"the same", before, 0, 0},
		{"another name", edit("name: api", "name: v1"), 0, 0},
		{"one moves", edit("methods: [GET]}, cluster: a", "methods: [GET]}, cluster: b"), 1, 0},
		{"the canary moves", edit(`"1"}}, cluster: b`, `"1"}}, cluster: a`), 1, 0},
		{"another value of the header", edit(`"1"`, `"2"`), 1, 0}, // it is the shop's now
		{"a parameter", edit("lang: de", "lang: fr"), 1, 0},
		{"another method", edit("[GET]", "[POST]"), 0, 1},
		{"a network", edit("10.0.0.0/8", "10.2.0.0/16"), 0, 1},
		{"a listener", edit("[other]", "[web]"), 0, 1},
		{"a response of its own", edit("example.com}, cluster: a", "example.com}, respond: {status: 410}"), 1, 0},
		{"none is left", "- {name: x, match: {path_prefix: /x}, cluster: a}\n", 0, 6},
	} {
		recent := new(Recent)
		table := compiled(t, recent, before)
		for i, lines := range []string{
			"GET /shop?a=1\nHost: shop.example.com;X-Canary: 1",
			"GET /shop?a=1&l%61ng=de\nHost: shop.example.com",
			"GET /in/x\nHost: a",
			"GET /port\nHost: a",
			"GET /shop?lang=en\nHost: shop.example.com;X-Canary: 0",
			"GET /api/../api/x\nHost: a",
			"GET /none\nHost: a",
		} {
			listener := ":80"
			if strings.Contains(lines, "/port") {
				listener = ":81"
			}
			ask(t, table, int64(i+1)*int64(shapeEvery), listener, lines)
		}
		got := recent.Replay(table, compiled(t, nil, row.next))
		if got != (Replayed{7, row.moved, row.lost}) {
			t.Errorf("%s: %+v, want %d moved and %d lost", row.name, got, row.moved, row.lost)
		}
	}
}

// What no route looks at is nowhere in the memory of the ring. Neither is what a former one looked at there, once the
// ring went round.
func TestRecentKeepsNothingElse(t *testing.T) {
	recent := new(Recent)
	first := compiled(t, recent, "- {name: r, match: {headers: {x-tenant: t}, query: {page: p}}, cluster: a}\n")
	second := compiled(t, recent, "- {name: r, match: {headers: {x-other: o}}, cluster: a}\n")
	at := int64(0)
	fill := func(table *Table, lines string) {
		for range maxShapes {
			at += int64(shapeEvery)
			ask(t, table, at, ":80", lines)
		}
	}
	image := func() []byte {
		recent.mu.Lock()
		defer recent.mu.Unlock()
		var all []byte
		for _, s := range recent.shapes {
			all = append(all, s.text[:cap(s.text)]...)
		}
		return all
	}
	const lines = "GET /path?page=seen-page&token=secret-query\nHost: h;X-Tenant: seen-tenant;Authorization: Bearer " +
		"secret-a;" +
		"Cookie: secret-b;X-Tenant-Key: secret-c;X-Other: secret-d"
	fill(first, lines)
	got := image()
	if bytes.Contains(got, []byte("secret")) {
		t.Errorf("kept %q", got[:200])
	}
	for _, want := range []string{"/path", "seen-page", "seen-tenant"} {
		if n := bytes.Count(got, []byte(want)); n != maxShapes {
			t.Errorf("%s is there %d times, want %d", want, n, maxShapes)
		}
	}
	fill(second, "GET /\nHost: h")
	if got = image(); bytes.Contains(got, []byte("seen")) {
		t.Errorf("kept %q", got[:200])
	}
}

func TestRecentIsBounded(t *testing.T) {
	recent := new(Recent)
	table := compiled(t, recent, "- {name: r, match: {headers: {x-a: {present: true}}}, cluster: a}\n")
	other := compiled(t, nil, "- {name: r, match: {path_prefix: /none}, cluster: a}\n")
	requests := func(want int) {
		t.Helper()
		if got := recent.Replay(table, other); got.Requests != want {
			t.Errorf("%d requests, want %d", got.Requests, want)
		}
	}
	ask(t, table, int64(shapeEvery), ":80", "GET /\nHost: h")
	ask(t, table, int64(shapeEvery)+1, ":80", "GET /\nHost: h") // too soon
	requests(1)
	ask(t, table, 2*int64(shapeEvery), ":80", "GET /"+strings.Repeat("x", maxShapeBytes)+"\nHost: h")
	ask(t, table, 3*int64(shapeEvery), ":80", "GET /\nHost: h;X-A: "+strings.Repeat("x", maxShapeBytes))
	requests(1)
	for i := range 3 * maxShapes {
		ask(t, table, int64(i+4)*int64(shapeEvery), ":80", fmt.Sprintf("GET /%d\nHost: h;X-A: b", i))
	}
	requests(maxShapes)
	if got := recent.Replay(table, other).String(); got !=
		"of 1,000 recent requests 0 change cluster, 1000 lose their route" {
		t.Errorf("told %q", got)
	}
}

// A request that is kept costs no memory once the ring is full, and one that is not never does.
func TestRecentDoesNotAllocate(t *testing.T) {
	recent := new(Recent)
	table := compiled(t, recent, "- {name: r, match: {headers: {x-a: {present: true}}}, cluster: a}\n")
	h := new(message.Head)
	limits := http1.DefaultLimits()
	if err := http1.ParseRequest([]byte("GET /path HTTP/1.1\r\nHost: h\r\nX-A: b\r\n\r\n"), h, &limits); err != nil {
		t.Fatal(err)
	}
	var d Decision
	c, w, at := &Client{IP: "10.1.1.1", Listener: &Listener{Address: ":80"}}, new(Workspace), int64(0)
	decide := func() { _ = table.Decide(&d, h, c, at, w) }
	if n := testing.AllocsPerRun(100, decide); n > 0 {
		t.Errorf("%v allocations of a request that is not kept", n)
	}
	kept := func() {
		at += int64(shapeEvery)
		decide()
	}
	for range maxShapes {
		kept()
	}
	if n := testing.AllocsPerRun(100, kept); n > 0 {
		t.Errorf("%v allocations of one that is", n)
	}
}

func BenchmarkDecide(b *testing.B) {
	for _, row := range []struct {
		name   string
		recent *Recent
	}{{"without", nil}, {"with", new(Recent)}} {
		b.Run(row.name, func(b *testing.B) {
			table := compiled(b, row.recent, "- {name: r, match: {path_prefix: /path}, cluster: a}\n")
			h := new(message.Head)
			limits := http1.DefaultLimits()
			if err := http1.ParseRequest([]byte("GET /path HTTP/1.1\r\nHost: h\r\n\r\n"), h, &limits); err != nil {
				b.Fatal(err)
			}
			var d Decision
			c, w := &Client{IP: "10.1.1.1", Listener: &Listener{Address: ":80"}}, new(Workspace)
			at := int64(0)
			b.ReportAllocs()
			for b.Loop() {
				at += 1000 // 1 us: a million requests a second
				_ = table.Decide(&d, h, c, at, w)
			}
		})
	}
}
