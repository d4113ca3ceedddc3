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

	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
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

// The page shows what is wrong first, and how each request failed; what comes from documents and requests is text in
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
	const shown = `!document.getElementById('main').hidden`
	b.wait(shown)
	b.wait(`document.getElementById('state').textContent === '✗ ready, 1 of 3 clusters in trouble'`)
	b.want(`document.querySelector('#trouble li').textContent.startsWith('cluster orders: ')`, "true")
	b.want(`document.querySelector('#clusters summary b').textContent`, "✗ orders")
	b.want(`document.querySelector('#clusters details').open`, "true")
	b.want(`document.querySelectorAll('#charts svg polyline').length`, "5")
	b.want(`document.querySelectorAll('#failures details').length`, "4")
	b.want(`document.querySelector('#revisions td:nth-child(2)').textContent`, "✓ applied")

	// What one request met is told on a click, and stays open when the page is drawn anew.
	b.want(`document.querySelector('#failures details').open`, "false")
	b.do(command{"click": "#failures summary"})
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
		b.wait(shown)
		light := b.do(command{"eval": `getComputedStyle(document.body).backgroundColor`})
		b.open(g.admin+"/", 360, true)
		b.wait(shown)
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
	b := newBrowser(t)
	var status sidecar.Status
	var failure telemetry.Failure
	attack(reflect.ValueOf(&status).Elem())
	attack(reflect.ValueOf(&failure).Elem())
	l := testserver.Listen(t)
	a := sidecar.NewAdmin(sidecar.View{
		Ready:  func() []string { return []string{hostile} },
		Status: func() sidecar.Status { return status },
		Failures: func(string, int) sidecar.FailureList {
			return sidecar.FailureList{LeftOut: 1, Failures: []telemetry.Failure{failure}}
		},
	}, sidecar.AdminOptions{})
	served := make(chan error, 1)
	go func() { served <- a.Serve(l) }()
	t.Cleanup(func() {
		if err := errors.Join(a.Shutdown(context.Background()), <-served); err != nil {
			t.Error(err)
		}
	})
	b.open("http://"+l.Addr().String()+"/", 1200, false)
	b.wait(`!document.getElementById('main').hidden`)
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
