package sidecar_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/fabian4/gateway-homebrew-go/discovery"
	"github.com/fabian4/gateway-homebrew-go/internal/cluster"
	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
	"github.com/fabian4/gateway-homebrew-go/mtls"
	"github.com/fabian4/gateway-homebrew-go/sidecar"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// browser is a chromium without a window, driven by tools/browser.
type browser struct {
	t   *testing.T
	in  *json.Encoder
	out *bufio.Reader
}

// command is one of tools/browser.
type command map[string]any

var browserBinary = nestedTool("browser")

// nestedTool builds a program of tools/, once.
func nestedTool(name string) func() (string, error) {
	return sync.OnceValues(func() (string, error) {
		path := filepath.Join(binaryDir, name)
		build := exec.Command("go", "build", "-o", path, ".")
		build.Dir = filepath.Join("..", "tools", name)
		if out, err := build.CombinedOutput(); err != nil {
			return "", fmt.Errorf("go build: %w\n%s", err, out)
		}
		return path, nil
	})
}

// newBrowser starts one that ends with the test.
func newBrowser(t *testing.T) *browser {
	t.Helper()
	if testing.Short() {
		t.Skip("builds a program")
	}
	if _, err := exec.LookPath("chromium"); err != nil {
		t.Fatalf("%v: `make packages` installs it", err)
	}
	bin, err := browserBinary()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(bin)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = testserver.DieWithParent()
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		_, _ = io.Copy(io.Discard, out) // until it ends
		if err := cmd.Wait(); err != nil {
			t.Errorf("the browser: %v", err)
		}
	})
	return &browser{t: t, in: json.NewEncoder(in), out: bufio.NewReader(out)}
}

// do sends a command and gives its value.
func (b *browser) do(c command) any {
	b.t.Helper()
	if err := b.in.Encode(c); err != nil {
		b.t.Fatal(err)
	}
	line, err := b.out.ReadBytes('\n')
	if err != nil {
		b.t.Fatalf("%v: the browser ended: %v", c, err)
	}
	var answer struct {
		Value any
		Error string
	}
	if err := json.Unmarshal(line, &answer); err != nil || answer.Error != "" {
		b.t.Fatalf("%v: %v %s\nthe page:\n%s", c, err, answer.Error, b.text())
	}
	return answer.Value
}

// text is what a reader sees of the page; empty if even that cannot be had.
func (b *browser) text() string {
	if b.in.Encode(command{"eval": "document.body.innerText"}) != nil {
		return ""
	}
	var answer struct{ Value string }
	line, _ := b.out.ReadBytes('\n')
	_ = json.Unmarshal(line, &answer) // nothing is seen, then
	return answer.Value
}

func (b *browser) open(url string, width int, dark bool) {
	b.t.Helper()
	b.do(command{"open": url, "width": width, "height": 900, "dark": dark})
}

// wait waits until an expression of JavaScript is true.
func (b *browser) wait(expression string) {
	b.t.Helper()
	b.do(command{"wait": expression})
}

// want checks that an expression has this value, as Go prints it.
func (b *browser) want(expression, want string) {
	b.t.Helper()
	if got := fmt.Sprint(b.do(command{"eval": expression})); got != want {
		b.t.Errorf("%s = %s, want %s\nthe page:\n%s", expression, got, want, b.text())
	}
}

// hostile is what somebody puts into names and requests to have it run in the page.
const hostile = `<img src=x onerror=window.attacked=1><script>window.attacked=1</script>`

// The page shows what is wrong first, and how each request failed. What comes from documents and requests is text in
// it, whatever it looks like.
func TestPage(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	g := serve(t, env{"GATEWAY_CONFIG": documentFile(t, fmt.Sprintf(`
routes:
- {name: orders, match: {path_prefix: /orders}, cluster: orders, retries: {attempts: 2, on: [connect-failure]}}
- {name: odd, match: {path_regex: "/odd/<script>.*"}, cluster: well}
- {name: all, match: {path_prefix: /}, cluster: well}
clusters:
- {name: a, endpoints: [%[1]q]}
- {name: orders, endpoints: [%[2]q]}
- {name: well, endpoints: [%[1]q]}
`, app(t, "app"), testserver.Addr(t)))})
	g.answers("/", http.StatusOK, "app")
	for range 4 {
		req, err := http.NewRequest(http.MethodGet, g.url, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.URL.Opaque = strings.TrimPrefix(g.url, "http:") + `/orders/"><img/src=x/onerror=window.attacked=1>`
		req.Header.Set("X-Request-Id", hostile)
		exchange(t, http.DefaultTransport, req)
	}

	b.open(g.admin+"/", 1200, false)
	b.wait(pageShown)
	b.wait(`document.getElementById('state').textContent === '✗ ready, 1 of 3 clusters in trouble'`)
	b.want(`document.querySelector('#trouble li').textContent.startsWith('cluster orders: ')`, "true")
	b.want(`document.querySelector('#clusters summary b').textContent`, "✗ orders")
	b.want(`document.querySelector('#clusters details').open`, "true")
	b.want(`document.querySelectorAll('#charts svg polyline').length`, "5")
	b.want(`document.querySelectorAll('#failures details').length`, "4")
	b.want(`document.querySelector('#revisions td:nth-child(2)').textContent`, "✓ applied")

	// What one request met is told on a click, also on one during which the gateway answers. It stays open when the
	// page is drawn anew.
	b.want(`document.querySelector('#failures details').open`, "false")
	b.do(command{"press": "#failures summary"})
	b.do(command{"eval": `globalThis.then = samples.length, 1`})
	b.wait(`samples.length > then`)
	b.do(command{"release": true})
	b.wait(`document.querySelector('#failures details').open`)
	b.want(`document.querySelectorAll('#failures details[open] tbody tr').length`, "2")
	b.do(command{"eval": `document.querySelector('#charts').firstChild.id = 'before', 1`})
	b.wait(`document.getElementById('before') === null`)
	b.want(`document.querySelector('#failures details').open`, "true")
	b.want(`document.querySelector('#failures details').textContent.includes('connection refused')`, "true")

	// Nothing of the attack is an element, all of it is text.
	b.want(`[...document.querySelectorAll('#routes .mono')].some((e) => e.textContent === '~ /odd/<script>.*')`, "true")
	b.want(`document.querySelector('#failures summary').textContent.includes('<img/src=x')`, "true")
	b.want(`document.querySelector('#failures details').textContent.includes('request id `+hostile+`')`, "true")
	b.want(`document.querySelectorAll('main script, main img').length`, "0")
	b.want(`typeof window.attacked`, "undefined")
	// Not even what is put in as HTML by a mistake could run.
	b.do(command{"eval": `document.body.appendChild(Object.assign(document.createElement('div'),
		{innerHTML: '<img src=x onerror=window.attacked=1>'})), 1`})
	b.wait(`document.querySelector('body > div > img').complete`)
	b.want(`typeof window.attacked`, "undefined")

	t.Run("narrow and dark", func(t *testing.T) {
		b := &browser{t: t, in: b.in, out: b.out}
		b.open(g.admin+"/", 1200, false)
		b.wait(pageShown)
		light := b.do(command{"eval": `getComputedStyle(document.body).backgroundColor`})
		b.open(g.admin+"/", 360, true)
		b.wait(pageShown)
		b.want(`document.documentElement.scrollWidth`, "360")
		b.want(`innerWidth`, "360")
		if dark := b.do(command{"eval": `getComputedStyle(document.body).backgroundColor`}); dark == light {
			t.Errorf("the background is %v, light or dark", dark)
		}
		told, ok := b.do(command{"told": true}).(map[string]any)
		if !ok || told["complaints"] != nil {
			t.Errorf("the browser complains of %v", told["complaints"])
		}
		requests, _ := told["requests"].([]any)
		own := map[string]bool{"/": true, "/page/page.css": true, "/page/page.js": true, "/page/draw.js": true,
			"/page/icon.svg": true, "/status": true, "/failures?n=50": true}
		for _, r := range requests {
			if path, here := strings.CutPrefix(fmt.Sprint(r), "GET "+g.admin); !here || !own[path] {
				t.Errorf("the page asks for %v", r)
			}
		}
		if len(requests) < len(own)-1 { // the icon may come from the browser's memory
			t.Errorf("the page asked for %v", requests)
		}
	})

	t.Run("no answer", func(t *testing.T) {
		b := &browser{t: t, in: b.in, out: b.out}
		g.signal(syscall.SIGTERM)
		<-g.exited
		b.wait(`document.getElementById('state').textContent.startsWith('✗ the gateway has not answered for ')`)
		b.want(`document.body.classList.contains('stale')`, "true")
	})
}

// All that a status and a failure can say is text in the page: here each text of them is an attack.
func TestPageTakesEverythingAsText(t *testing.T) {
	t.Parallel()
	var status sidecar.Status
	var failure telemetry.Failure
	attack(reflect.ValueOf(&status).Elem())
	attack(reflect.ValueOf(&failure).Elem())
	status.Reasons = []string{hostile}
	b, url := pageOf(t, status, sidecar.FailureList{LeftOut: 1, Failures: []telemetry.Failure{failure}})
	b.open(url, 1200, false)
	b.wait(pageShown)
	for _, section := range []string{"trouble", "charts", "failures", "clusters", "routes", "listeners", "revisions",
		"discovery", "certificates"} {
		b.want(`document.getElementById('`+section+`').textContent.includes('onerror=window.attacked=1')`, "true")
	}
	b.want(`document.getElementById('name').textContent`, hostile)
	b.want(`document.querySelectorAll('main script, main img, header script, header img').length`, "0")
	b.want(`typeof window.attacked`, "undefined")
	if told, ok := b.do(command{"told": true}).(map[string]any); !ok || told["complaints"] != nil {
		t.Errorf("the browser complains of %v", told["complaints"])
	}
}

// attack fills every text of a value with an attack, and lists, maps and pointers with one of what they may have.
func attack(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(hostile)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		attack(v.Index(0))
	case reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		attack(key)
		attack(value)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		attack(v.Elem())
	case reflect.Struct:
		if at, ok := reflect.TypeAssert[*time.Time](v.Addr()); ok {
			*at = time.Now()
			return
		}
		for _, f := range v.Fields() {
			if f.CanSet() {
				attack(f)
			}
		}
	case reflect.Int, reflect.Int64:
		v.SetInt(1)
	case reflect.Uint64:
		v.SetUint(1)
	case reflect.Float64:
		v.SetFloat(1)
	default:
	}
}

// documentFile is a file with a document.
func documentFile(t *testing.T, text string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "routes.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// pageOf gives a browser, and the address of an admin port that shows a status and failures.
func pageOf(t *testing.T, s sidecar.Status, failures sidecar.FailureList) (b *browser, url string) {
	t.Helper()
	b = newBrowser(t)
	l := testserver.Listen(t)
	a := sidecar.NewAdmin(sidecar.View{
		Ready:    func() []string { return s.Reasons },
		Status:   func() sidecar.Status { return s },
		Failures: func(string, int) sidecar.FailureList { return failures },
	}, sidecar.AdminOptions{})
	served := make(chan error, 1)
	go func() { served <- a.Serve(l) }()
	t.Cleanup(func() {
		if err := errors.Join(a.Shutdown(context.Background()), <-served); err != nil {
			t.Error(err)
		}
	})
	return b, "http://" + l.Addr().String() + "/"
}

// pageShown is true once the page has drawn what it was told.
const pageShown = `!document.getElementById('main').hidden`

// Each row says of its thing what the status says, those in trouble first.
func TestPageRows(t *testing.T) {
	t.Parallel()
	ago := func(d time.Duration) time.Time { return time.Now().Add(-d) }
	at := func(d time.Duration) *time.Time { then := ago(d); return &then }
	rate := func(name string, requests uint64, p50, p99 float64, errors map[string]uint64) telemetry.NamedRate {
		if errors == nil {
			errors = map[string]uint64{}
		}
		return telemetry.NamedRate{Name: name, Rate: telemetry.Rate{
			Requests: requests, PerSecond: float64(requests) / 60, Errors: errors, P50MS: p50, P99MS: p99}}
	}
	s := sidecar.Status{
		Service: "web", Instance: "web-1", Started: ago(3 * time.Hour),
		Revision: sidecar.RevisionStatus{ID: "4f2a", Source: "consul"},
		Rates: telemetry.Rates{
			Seconds: 60, Total: rate("", 200, 3, 900, map[string]uint64{"5xx": 12, "UF": 12, "4xx": 3}).Rate,
			Routes: []telemetry.NamedRate{rate("shop", 188, 3, 5, map[string]uint64{"4xx": 3}),
				rate("orders", 12, 2, 1500, map[string]uint64{"5xx": 12, "UF": 12}), rate("former", 1, 1, 1, nil)},
			Clusters: []telemetry.NamedRate{rate("shop", 188, 3, 5, nil),
				rate("orders", 120, 2, 1500, map[string]uint64{"UF": 12})},
			Listeners: []telemetry.HandshakeRate{{Name: "tls", Done: 7, Failed: 3, Reason: "unknown authority"}},
		},
		Limits: sidecar.LimitStatus{Connections: sidecar.ConnectionLimit{Used: 3, Max: 3, Waiting: 1},
			Descriptors: sidecar.DescriptorLimit{Used: 17, Max: 1024}},
		Routes: []sidecar.RouteStatus{{Name: "shop", Match: "/", To: "shop"},
			{Name: "orders", Match: "/o", To: "orders"},
			{Name: "idle", Match: "/idle", To: "shop"}},
		RoutesTotal: 205,
		Clusters: []cluster.Status{
			{Name: "audit", Balance: "wrr", Endpoints: []cluster.EndpointStatus{
				{Address: "10.0.0.4:80", State: "ejected", Reason: "passive: 5xx", Unused: "passive: 5xx", Weight: 1},
				{Address: "10.0.0.5:80", State: "healthy", Weight: 1}}},
			{Name: "shop", Balance: "wrr", Endpoints: []cluster.EndpointStatus{{
				Address: "10.0.0.1:80", State: "healthy", Weight: 1, InFlight: 2,
				Recent: &telemetry.EndpointRate{Requests: 188, P50MS: 3, P99MS: 5}}}},
			{Name: "orders", Balance: "wrr", Panic: true, Follows: "consul service orders", Awaiting: 2,
				Endpoints: []cluster.EndpointStatus{
					{Address: "10.0.0.2:80", State: "healthy", Weight: 3,
						Recent: &telemetry.EndpointRate{Requests: 60, Errors: 12, P50MS: 2, P99MS: 1500}},
					{Address: "10.0.0.3:80", State: "ejected", Reason: "passive: connect failure",
						Unused: "passive: connect failure", Weight: 1,
						Consul: &cluster.ConsulStatus{State: "passing"}, Passive: cluster.PassiveStatus{Failures: 5,
							LastError: "connect: connection refused", LastErrorAt: at(150 * time.Minute)}},
				}},
		},
		Listeners: []sidecar.ListenerStatus{
			{Name: "default", Address: "0.0.0.0:8080", Protocol: "http", Connections: 2},
			{Name: "tls", Address: "0.0.0.0:8443", Protocol: "http", TLS: true, Connections: 1},
			{Name: "db", Address: "0.0.0.0:5432", Protocol: "tcp", Cluster: "shop", Draining: true}},
		Revisions: []sidecar.RevisionRecord{
			{Revision: "77aa", State: discovery.RevisionRejected, Since: ago(150 * time.Minute),
				Reasons: []string{"1:2: bad", "3:4: bad too"}},
			{Revision: "4f2a", State: discovery.RevisionApplied, Since: ago(3 * time.Hour), Reasons: []string{}},
			{Revision: "0001", State: discovery.RevisionSuperseded, Since: ago(72 * time.Hour), Reasons: []string{}}},
		Discovery: []discovery.Status{{Name: `kv "web"`, LastOK: ago(150 * time.Minute)},
			{Name: `health "orders"`, Error: "status 403", Failing: 4}},
		Certificates: []mtls.Status{
			{Path: "good.pem", Subjects: []string{"a.example", "b.example"}, NotAfter: ago(-100 * 24 * time.Hour)},
			{Path: "soon.pem", Subjects: []string{"c"}, NotAfter: ago(-50 * time.Hour)},
			{Path: "over.pem", Subjects: []string{"d"}, NotAfter: ago(150 * time.Minute)},
			{Path: "late.pem", Subjects: []string{"e"}, NotAfter: ago(-100 * 24 * time.Hour),
				Error: "key does not fit"}},
	}
	failures := sidecar.FailureList{LeftOut: 9, Failures: []telemetry.Failure{{
		Time: ago(150 * time.Minute), Method: "GET", Host: "shop", Path: "/o/1",
		Status: 502, Flag: "UF", DurationMS: 12, Reason: "connect: connection refused",
		RemoteIP: "192.0.2.7", Route: "orders", Cluster: "orders",
		RequestID: "id-1", Attempts: []telemetry.FailedAttempt{
			{Upstream: "10.0.0.3:80", DurationMS: 1, Flag: "UF", Reason: "connect: connection refused"},
			{Upstream: "10.0.0.2:80", AfterMS: 2, DurationMS: 10, Status: 502}}}}}
	b, url := pageOf(t, s, failures)
	b.open(url, 1200, false)
	b.wait(pageShown)
	for id, want := range map[string]string{
		"routes": "orders | /o | orders | 12 | 5xx 12, UF 12 | p50 2.0 ms, p99 1.50 s\n" +
			"shop | / | shop | 188 | 4xx 3 | p50 3.0 ms, p99 5.0 ms\n" +
			"idle | /idle | shop |  |  | \n" +
			"former |  |  | 1 |  | p50 1.0 ms, p99 1.0 ms",
		"listeners": "tls | 0.0.0.0:8443 | http over TLS | its routes | 1 | 7 done, 3 failed: unknown authority\n" +
			"default | 0.0.0.0:8080 | http | its routes | 2 | \n" +
			"db | 0.0.0.0:5432 | tcp, draining | shop | 0 | ",
		"revisions": "77aa | ✗ rejected | 2 h ago | 1:2: bad; 3:4: bad too\n4f2a | ✓ applied | 3 h ago | \n" +
			"0001 | superseded | 3 days ago | ",
		"discovery": "health \"orders\" | never | ✗ status 403 (4 in a row)\nkv \"web\" | 2 h ago | ",
		"certificates": "late.pem | e | in 99 days | ✗ key does not fit\nover.pem | d | ✗ EXPIRED 2 h ago | \n" +
			"soon.pem | c | ✗ in 2 days | \ngood.pem | a.example, b.example | in 99 days | ",
		"clusters": "10.0.0.3:80 | ✗ ejected (passive: connect failure), passing in Consul | 1 | 0 |  | connect: " +
			"connection refused, 5 in a row, 2 h ago\n" +
			"10.0.0.2:80 | healthy | 3 | 0 | 60 tried, 12 failed, p50 2.0 ms, p99 1.50 s | \n" +
			"10.0.0.4:80 | ✗ ejected (passive: 5xx) | 1 | 0 |  | \n10.0.0.5:80 | ✓ healthy | 1 | 0 |  | \n" +
			"10.0.0.1:80 | ✓ healthy | 1 | 2 | 188 tried, 0 failed, p50 3.0 ms, p99 5.0 ms | ",
		"failures": "10.0.0.3:80 | 0.0 ms | 1.0 ms | UF | connect: connection refused\n" +
			"10.0.0.2:80 | 2.0 ms | 10.0 ms | 502 | ",
	} {
		got := b.do(command{"eval": `[...document.querySelectorAll('#` + id + ` tbody tr')].map((r) => [...r.cells].map(
			(c) => c.textContent.replaceAll('\u00a0', ' ')).join(' | ')).join('\n')`})
		if got != want {
			t.Errorf("%s:\n%v\nwant\n%s", id, got, want)
		}
	}
	summaries := func(id string) string {
		return `[...document.querySelectorAll('#` + id + ` summary')].map(` +
			`(e) => e.textContent.replaceAll('\u00a0', ' ')).join('\n')`
	}
	b.want(summaries("clusters"), "✗ orders1 of 2 endpoints used, wrr, none is healthy, so all are used, "+
		"consul service orders, 2 requests waiting for endpoints, 2 attempts a second, p99 1.50 s\n"+
		"✗ audit1 of 2 endpoints used, wrr\n"+
		"✓ shop1 of 1 endpoint used, wrr, 3.13 attempts a second, p99 5.0 ms")
	b.want(summaries("failures"), "502 UFGET shop/o/1 12.0 ms, 2 h ago, connect: connection refused")
	b.want(`document.querySelector('#failures > p').textContent`, "9 more came too fast to be kept.")
	b.want(`document.querySelector('#routes > p').textContent`, "and 201 more: see /config")
	b.want(`document.getElementById('about').textContent`, "instance web-1, version , up for 3 h. Revision 4f2a from "+
		"consul. 3 of 3 connections, clients wait, 17 of 1024 file descriptors.")
}

// No text runs out of its cell, and no name is broken that has room. Nothing has to be scrolled to the side, however
// wide the window is.
func TestPageLayout(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("long-name-", 8)
	s := sidecar.Status{
		Rates: telemetry.Rates{Total: telemetry.Rate{Errors: map[string]uint64{}}},
		Routes: []sidecar.RouteStatus{{Name: "orders", Match: "/orders", To: "orders"},
			{Name: "all", Match: "(*.m.shop.example.com or shop.example.com)/api/v2/checkout, POST or PUT, " +
				"header x-canary " + strings.Repeat("x", 200), To: long}},
		RoutesTotal: 2,
		Listeners: []sidecar.ListenerStatus{{Name: "default", Address: "[2001:db8:1111:2222:3333:4444:5555:6666]:8080",
			Protocol: "http"}},
		Clusters: []cluster.Status{{Name: long, Endpoints: []cluster.EndpointStatus{{
			Address: "[2001:db8:1111:2222:3333:4444:5555:6666]:8080", State: "healthy"}}}},
		Certificates: []mtls.Status{{Subjects: []string{long},
			Path:     "/etc/gateway/" + strings.Repeat("certificates/", 20),
			NotAfter: time.Now().Add(time.Hour)}},
	}
	b, url := pageOf(t, s, sidecar.FailureList{})
	for _, width := range []int{360, 700, 1000, 1200, 1600} {
		b.open(url, width, false)
		b.wait(pageShown)
		b.want(`innerWidth + ' ' + document.documentElement.scrollWidth`, fmt.Sprintf("%d %[1]d", width))
		b.want(`[...document.querySelectorAll('td, th')].filter((e) => e.scrollWidth > e.clientWidth).map(
			(e) => e.textContent).join()`, "")
		b.want(`document.querySelector('#routes b').getClientRects().length`, "1")
	}
}
