package docs_test

import (
	"bufio"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/internal/testcert"
	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
)

// movedGateway is a gateway that serves a document in place of tags.
type movedGateway struct {
	listen    string            // the default listener
	listeners map[string]string // address in the document to ours
	apps      map[string]string // ID to address
	ca        *testcert.CA
	client    *http.Client
}

// startMoved starts what the document d needs, with the services that tags has.
func startMoved(t *testing.T, gateway string, consul *testserver.ConsulServer, p *page, tags, d block) *movedGateway {
	dir := t.TempDir()
	g := &movedGateway{
		listen: fmt.Sprintf("127.0.0.1:%d", testserver.Port(t)), ca: testcert.NewCA(t, "ca"),
		listeners: map[string]string{}, apps: map[string]string{},
	}
	g.ca.Write(t, dir, "ca")
	g.ca.Server(t, "shop.example.com").Write(t, dir, "shop")
	g.client = &http.Client{
		Transport:     &http.Transport{TLSClientConfig: &tls.Config{RootCAs: g.ca.Pool()}, DialContext: g.dial},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	t.Cleanup(g.client.CloseIdleConnections)
	for _, b := range p.blocks {
		if b.kind == "file" {
			if err := os.WriteFile(filepath.Join(dir, b.file), []byte(b.text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	g.register(t, consul, tags, d)
	text := regexp.MustCompile(`address: "(:\d+)"`).ReplaceAllStringFunc(d.text, func(s string) string {
		theirs := strings.Split(s, `"`)[1]
		g.listeners[theirs] = fmt.Sprintf("127.0.0.1:%d", testserver.Port(t))
		return fmt.Sprintf("address: %q", g.listeners[theirs])
	})
	consul.Call("PUT", "/v1/kv/gateway/"+tags.file+"/config", []byte(text))
	env := []string{
		"GATEWAY_SERVICE=" + tags.file, "GATEWAY_LISTEN=" + g.listen, "CONSUL_HTTP_ADDR=" + consul.Addr(),
		fmt.Sprintf("GATEWAY_ADMIN_LISTEN=127.0.0.1:%d", testserver.Port(t)), "GATEWAY_DRAIN_DELAY=0s",
		"GATEWAY_ACCESS_LOG=off",
	}
	log := new(strings.Builder)
	run := exec.Command(gateway)
	run.Dir, run.Env, run.Stderr = dir, env, log
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = run.Process.Signal(os.Interrupt)
		_ = run.Wait()
		if t.Failed() {
			t.Log(log)
		}
	})
	wait := exec.Command(gateway, "status", "--wait", "20s")
	wait.Dir, wait.Env = dir, env
	if out, err := wait.CombinedOutput(); err != nil {
		t.Fatalf("status: %v\n%s", err, out)
	}
	return g
}

// register registers the services of tags, each with an app behind it, as Consul's own command would.
func (g *movedGateway) register(t *testing.T, consul *testserver.ConsulServer, tags, d block) {
	t.Helper()
	for dec := json.NewDecoder(strings.NewReader(tags.text)); dec.More(); {
		var s struct {
			Name, ID string
			Tags     []string
		}
		if err := dec.Decode(&s); err != nil {
			t.Fatalf("tags %s: %v", tags.file, err)
		}
		id := cmp.Or(s.ID, s.Name)
		g.apps[id] = g.app(t, id, d)
		_, port, _ := net.SplitHostPort(g.apps[id])
		n, err := strconv.Atoi(port)
		if err != nil {
			t.Fatal(err)
		}
		consul.Register(testserver.Service{ID: id, Name: s.Name, Port: n, Tags: s.Tags})
		t.Cleanup(func() { consul.Deregister(id) })
	}
}

// app is one that speaks what the document's clusters speak. It tells what it got.
func (g *movedGateway) app(t *testing.T, id string, d block) string {
	t.Helper()
	if strings.Contains(d.text, "protocol: tcp") {
		return echo(t)
	}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Server", "app")
		fmt.Fprintf(w, "%s %s %s %s\n", id, r.Method, r.RequestURI, r.Host)
		for name, values := range r.Header {
			for _, v := range values {
				fmt.Fprintf(w, "%s: %s\n", name, v)
			}
		}
		if r.TLS != nil {
			fmt.Fprintf(w, "TLS: name %q\n", r.TLS.ServerName)
		}
	}))
	if strings.Contains(d.text, "mode: tls") {
		s.TLS = &tls.Config{Certificates: []tls.Certificate{g.ca.Server(t, "orders.internal").TLS(t)}}
		s.StartTLS()
	} else {
		s.Start()
	}
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// echo sends the first two lines of a connection back as one.
func echo(t *testing.T) string {
	t.Helper()
	return testserver.OneByOne(t, func(c net.Conn) {
		r := bufio.NewReader(c)
		first, _ := r.ReadString('\n')
		second, _ := r.ReadString('\n')
		fmt.Fprint(c, strings.TrimRight(first, "\r\n")+" "+second)
	})
}

// dial connects to where the gateway listens for an address of the document; any other is for the default listener.
func (g *movedGateway) dial(ctx context.Context, network, address string) (net.Conn, error) {
	_, port, _ := net.SplitHostPort(address)
	return new(net.Dialer).DialContext(ctx, network, cmp.Or(g.listeners[":"+port], g.listen))
}

// answer is what a request is answered with: in one line as movedRequest.want has it, and all lines.
func (g *movedGateway) answer(t *testing.T, request string) (short string, lines []string) {
	t.Helper()
	first, fields, _ := strings.Cut(request, "\n")
	method, target, _ := strings.Cut(first, " ")
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	req := &http.Request{Method: method, URL: u, Header: http.Header{}}
	if u.User != nil {
		password, _ := u.User.Password()
		req.SetBasicAuth(u.User.Username(), password)
		u.User = nil
	}
	for line := range strings.Lines(fields) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		req.Header.Add(name, value)
	}
	res, err := g.client.Do(req.WithContext(t.Context()))
	if err != nil {
		t.Fatalf("%s: %v", first, err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("%s: %v", first, err)
	}
	for name, values := range res.Header {
		for _, v := range values {
			lines = append(lines, name+": "+v)
		}
	}
	short = strconv.Itoa(res.StatusCode)
	lines = append(lines, strings.Split(strings.TrimSpace(string(body)), "\n")...)
	switch {
	case res.StatusCode == 200:
		short += " " + strings.SplitN(string(body), "\n", 2)[0]
	case res.StatusCode/100 == 3:
		short += " " + res.Header.Get("Location")
	}
	return short, lines
}

func (g *movedGateway) try(t *testing.T, r movedRequest) {
	t.Helper()
	want := r.want
	for _, address := range g.apps {
		want = strings.ReplaceAll(want, "APP", address)
	}
	short, lines := g.answer(t, r.request)
	if short != want {
		t.Errorf("%s: %s, want %s", r.request, short, want)
	}
	for line := range strings.SplitSeq(r.has, "|") {
		if r.has != "" && !slices.Contains(lines, line) {
			t.Errorf("%s: no line %q in %q", r.request, line, lines)
		}
	}
	for begin := range strings.SplitSeq(r.hasNot, "|") {
		if r.hasNot != "" && slices.ContainsFunc(lines, func(l string) bool { return strings.HasPrefix(l, begin) }) {
			t.Errorf("%s: a line %q in %q", r.request, begin, lines)
		}
	}
}

// shares holds the share of requests without cookies that go to the app to some bounds.
func (g *movedGateway) shares(t *testing.T, target, app string, least, most float64) {
	t.Helper()
	const requests = 400
	n := 0
	for range requests {
		if short, _ := g.answer(t, "GET "+target); strings.HasPrefix(short, "200 "+app+" ") {
			n++
		}
	}
	if share := float64(n) / requests; share < least || share > most {
		t.Errorf("%s gets %.2f of the requests, want %.2f to %.2f", app, share, least, most)
	}
}

// stays holds clients that keep the cookie of that name, with these attributes, to the app that they have met first.
func (g *movedGateway) stays(t *testing.T, target, cookie, attributes string) {
	t.Helper()
	for range 40 {
		first, lines := g.answer(t, "GET "+target)
		i := slices.IndexFunc(lines, func(l string) bool { return strings.HasPrefix(l, "Set-Cookie: "+cookie+"=") })
		if i < 0 {
			t.Fatalf("no cookie %s in %q", cookie, lines)
		}
		if !strings.HasSuffix(lines[i], attributes) {
			t.Errorf("%s, want it with %s", lines[i], attributes)
		}
		value, _, _ := strings.Cut(strings.TrimPrefix(lines[i], "Set-Cookie: "), ";")
		for range 5 {
			if again, _ := g.answer(t, "GET "+target+"\nCookie: "+value); again != first {
				t.Errorf("with %s: %s, then %s", value, first, again)
			}
		}
	}
}
