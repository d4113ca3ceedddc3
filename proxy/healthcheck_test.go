package proxy_test

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/hashicorp/go-hclog"

	"github.com/fabian4/gateway-homebrew-go/internal/cluster"
	"github.com/fabian4/gateway-homebrew-go/internal/netio"
	"github.com/fabian4/gateway-homebrew-go/internal/testcert"
	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
	"github.com/fabian4/gateway-homebrew-go/proxy"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// verdict waits for the first result of the active check of the only endpoint.
func (g *gateway) verdict() (v cluster.CheckStatus) {
	g.t.Helper()
	testserver.WaitFor(g.t, patience, "the first check", func() bool {
		c := g.set.Status()[0].Endpoints[0].Check
		if c == nil {
			g.t.Fatal("the endpoint is not checked")
		}
		v = *c
		return v.State != "unknown"
	})
	return v
}

// checked is a document whose cluster has one endpoint and the check, which is made once and may take its time.
func checked(address, check, options string) string {
	if options != "" {
		options = ", " + options
	}
	return clustered("", "health_check: {"+check+", interval: 1m, timeout: 1m}"+options, address)
}

// often has the check of a document made again and again.
func often(document string) string {
	return strings.Replace(document, "interval: 1m, timeout: 1m", "interval: 50ms, timeout: 50ms", 1)
}

// httpApp answers checks as a test wants it, in clear text or TLS, and by the versions that it speaks.
func httpApp(t *testing.T, pair *testcert.Pair, protocols func(p *http.Protocols), h http.HandlerFunc) string {
	t.Helper()
	alone(t)
	s := httptest.NewUnstartedServer(h)
	s.Config.Protocols = new(http.Protocols)
	protocols(s.Config.Protocols)
	s.EnableHTTP2 = s.Config.Protocols.HTTP2()
	s.Config.ErrorLog = hclog.NewNullLogger().StandardLogger(nil) // a refused handshake is what some tests want
	if pair != nil {
		s.TLS = &tls.Config{Certificates: []tls.Certificate{pair.TLS(t)}}
		s.StartTLS()
	} else {
		s.Start()
	}
	t.Cleanup(s.Close)
	_, address, _ := strings.Cut(s.URL, "://")
	return address
}

func TestHTTPCheck(t *testing.T) {
	ca := testcert.NewCA(t, "check")
	pair := ca.Server(t, "app.example", "127.0.0.1")
	roots := filepath.Join(t.TempDir(), "ca.pem")
	testcert.Replace(t, roots, ca.PEM())
	overTLS := "tls: {mode: tls, ca_file: " + roots + ", server_name: app.example}"
	http1 := func(p *http.Protocols) { p.SetHTTP1(true) }
	http2 := func(p *http.Protocols) { p.SetHTTP2(true) }
	h2c := func(p *http.Protocols) { p.SetUnencryptedHTTP2(true) }
	for _, tt := range []struct {
		name, check, options string
		pair                 *testcert.Pair
		protocols            func(*http.Protocols)
		version              string
	}{
		{"http1", "type: http", "", nil, http1, "HTTP/1.1"},
		{"h2c", "type: http", "protocol: http2", nil, h2c, "HTTP/2.0"},
		{"tls http1", "type: http", overTLS, pair, http1, "HTTP/1.1"},
		{"tls http2", "type: http", "protocol: http2, " + overTLS, pair, http2, "HTTP/2.0"},
		{"auto http2", "type: http", "protocol: auto, " + overTLS, pair, http2, "HTTP/2.0"},
		{"auto http1", "type: http", "protocol: auto, " + overTLS, pair, http1, "HTTP/1.1"},
		{"tcp cluster", "type: http", "protocol: tcp, " + overTLS, pair, http1, "HTTP/1.1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			asked := make(chan string, 64)
			app := httpApp(t, tt.pair, tt.protocols, func(w http.ResponseWriter, r *http.Request) {
				select {
				case asked <- fmt.Sprint(r.Proto, " ", r.Method, " ", r.Host, " ", r.URL, " ", r.UserAgent()):
				default:
				}
				w.WriteHeader(204)
			})
			document := checked(app, tt.check+", path: \"/health?full=1\", host: health.example", tt.options)
			if strings.Contains(tt.options, "tcp") {
				document = document[strings.Index(document, "clusters:"):]
			}
			g := start(t, document)
			if v := g.verdict(); v.State != "healthy" {
				t.Fatalf("verdict = %+v", v)
			}
			if got, want := <-asked, tt.version+
				" GET health.example /health?full=1 gateway-homebrew-go/health-check"; got != want {
				t.Errorf("the app was asked %q, want %q", got, want)
			}
		})
	}
}

func TestCheckVerdicts(t *testing.T) {
	ca := testcert.NewCA(t, "check")
	roots := filepath.Join(t.TempDir(), "ca.pem")
	testcert.Replace(t, roots, testcert.NewCA(t, "another").PEM())
	accept := func(w *wire) { _, _ = io.ReadAll(w.r) }
	answer := func(s string) func(t *testing.T) string {
		return func(t *testing.T) string { return replies(t, s) }
	}
	for _, tt := range []struct {
		name, check, options string
		app                  func(t *testing.T) string
		reason               string // empty: healthy
	}{
		{"200", "type: http", "", answer(ok("fine")), ""},
		{"299", "type: http", "", answer("HTTP/1.1 299 x\r\nContent-Length: 0\r\n\r\n"), ""},
		{"an answer whose body never ends", "type: http", "",
			answer("HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n"), ""},
		{"interim responses", "type: http", "",
			answer("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n" + ok("")), ""},
		{"interim responses without end", "type: http", "",
			answer(strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", 100)), "more than 16 interim responses"},
		{"301", "type: http", "", answer("HTTP/1.1 301 x\r\nContent-Length: 0\r\n\r\n"), "status 301"},
		{"500", "type: http", "", answer("HTTP/1.1 500 x\r\nContent-Length: 0\r\n\r\n"), "status 500"},
		{"404 that is wanted", "type: http, statuses: [200, 404]", "",
			answer("HTTP/1.1 404 x\r\nContent-Length: 0\r\n\r\n"), ""},
		{"204 that is not", "type: http, statuses: [200, 404]", "", answer("HTTP/1.1 204 x\r\n\r\n"), "status 204"},
		{"no HTTP", "type: http", "", answer("+OK\r\n\r\n"), "malformed status line"},
		{"no answer", "type: http", "", func(t *testing.T) string { return script(t, accept) }, "timeout"},
		{"the end", "type: http", "", answer(""), "timeout"},
		{"nobody there", "type: http", "", refusing, "connect: connection refused"},
		{"http1 asked for http2", "type: http", "protocol: http2", answer(ok("")), "connection: "},
		{"tcp", "type: tcp", "", func(t *testing.T) string { return script(t, accept) }, ""},
		{"tcp, nobody there", "type: tcp", "", refusing, "connect: connection refused"},
		{"tcp with TLS, of an unknown authority", "type: tcp", "tls: {mode: tls, ca_file: " + roots + "}",
			func(t *testing.T) string {
				return httpApp(t, ca.Server(t, "127.0.0.1"), func(p *http.Protocols) { p.SetHTTP1(true) },
					func(http.ResponseWriter, *http.Request) {})
			}, "connect: tls: "},
		{"tcp with TLS, of who speaks none", "type: tcp", "tls: {mode: tls, ca_file: " + roots + "}",
			answer("hello\r\n\r\n"), "timeout"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			document := checked(tt.app(t), tt.check, tt.options)
			if tt.reason == "timeout" {
				document = strings.Replace(document, "timeout: 1m", "timeout: 50ms", 1)
			}
			g := start(t, document)
			v := g.verdict()
			if (v.State == "healthy") != (tt.reason == "") || !strings.HasPrefix(v.Reason, tt.reason) {
				t.Errorf("verdict = %s %q, want %q", v.State, v.Reason, tt.reason)
			}
		})
	}
}

// health answers grpc.health.v1.Health/Check by the service that it is asked for.
func health(w http.ResponseWriter, r *http.Request) {
	b, _ := io.ReadAll(r.Body)
	if r.Method != "POST" || r.URL.Path != "/grpc.health.v1.Health/Check" || r.Header.Get("Te") != "trailers" ||
		r.Header.Get("Content-Type") != "application/grpc" ||
		len(b) < 5 || int(binary.BigEndian.Uint32(b[1:])) != len(b)-5 {
		w.WriteHeader(400)
		return
	}
	service := ""
	if len(b) > 7 {
		service = string(b[7:])
	}
	w.Header().Set("Content-Type", "application/grpc")
	answers := map[string]string{
		"": "\x08\x01", "up": "\x08\x01", "down": "\x08\x02", "silent": "", "odd": "\xff",
		"extended": "\x12\x03abc\x08\x01\x1d....", "huge": strings.Repeat("\x08\x01", 5000),
		strings.Repeat("long", 30): "\x08\x01", "failing": "\x08\x01", "bare": "\x08\x01",
	}
	body, known := answers[service]
	if !known {
		w.Header().Set("Grpc-Status", "5") // trailers only
		return
	}
	if service != "bare" {
		w.Header().Set("Trailer", "Grpc-Status")
	}
	head := binary.BigEndian.AppendUint32([]byte{0}, uint32(len(body)))
	_, _ = w.Write(append(head, body...))
	switch service {
	case "bare":
	case "failing":
		w.Header().Set("Grpc-Status", "13")
	default:
		w.Header().Set("Grpc-Status", "0")
	}
}

func TestGRPCCheck(t *testing.T) {
	h2c := func(p *http.Protocols) { p.SetUnencryptedHTTP2(true) }
	for service, want := range map[string]string{
		"": "", "up": "", strings.Repeat("long", 30): "", "extended": "",
		"down": "serving status 2", "silent": "serving status 0", "odd": "malformed health message",
		"huge":    "malformed health message",
		"unknown": "grpc-status 5", "failing": "grpc-status 13", "bare": "no grpc-status",
	} {
		t.Run(service, func(t *testing.T) {
			check := "type: grpc"
			if service != "" {
				check += ", service: " + service
			}
			g := start(t, checked(httpApp(t, nil, h2c, health), check, "protocol: http2"))
			if v := g.verdict(); v.Reason != want || (v.State == "healthy") != (want == "") {
				t.Errorf("verdict = %+v, want %q", v, want)
			}
		})
	}
	t.Run("over TLS", func(t *testing.T) {
		ca := testcert.NewCA(t, "check")
		roots := filepath.Join(t.TempDir(), "ca.pem")
		testcert.Replace(t, roots, ca.PEM())
		app := httpApp(t, ca.Server(t, "127.0.0.1"), func(p *http.Protocols) { p.SetHTTP2(true) }, health)
		g := start(t, checked(app, "type: grpc", "protocol: http2, tls: {mode: tls, ca_file: "+roots+"}"))
		if v := g.verdict(); v.State != "healthy" {
			t.Errorf("verdict = %+v", v)
		}
	})
	t.Run("of who speaks no gRPC", func(t *testing.T) {
		app := httpApp(t, nil, h2c, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(404) })
		g := start(t, checked(app, "type: grpc", "protocol: http2"))
		if v := g.verdict(); v.Reason != "status 404" {
			t.Errorf("verdict = %+v", v)
		}
	})
}

// An endpoint that fails its checks gets no requests, and is back when it passes them.
func TestCheckedTraffic(t *testing.T) {
	sick, well := listen(t), backend(t, ofPath)
	g := start(t, clustered("", "health_check: {type: http, interval: 200ms, timeout: 200ms, healthy_threshold: 1}",
		sick.addr, well))
	sick.accept().serve("HTTP/1.1 503 x\r\nContent-Length: 0\r\n\r\n")
	g.state(0, "unhealthy")
	for range 10 {
		if res, _ := g.ask(get("/")); res.StatusCode != 200 {
			t.Errorf("status = %d", res.StatusCode)
		}
	}
	for g.set.Status()[0].Endpoints[0].Check.State != "healthy" {
		head := sick.accept().serve(ok(""))
		if !strings.Contains(head, "health-check") {
			t.Errorf("the sick endpoint got a request: %q", head)
		}
		g.set.Status()
	}
	g.apply(to(well))
	g.apply("routes: []\nclusters: []\n") // and nobody is asked any more
}

// state waits until the endpoint is in that state.
func (g *gateway) state(endpoint int, want string) {
	g.t.Helper()
	testserver.WaitFor(g.t, patience, "endpoint "+want,
		func() bool { return g.set.Status()[0].Endpoints[endpoint].State == want })
}

// An L4 cluster's endpoints wait for a PROXY header, which says that the connection is the gateway's own.
func TestCheckWithProxyProtocol(t *testing.T) {
	for version, want := range map[string]string{
		"v1": "PROXY UNKNOWN\r\n", "v2": "\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00",
	} {
		t.Run(version, func(t *testing.T) {
			e := listen(t)
			document := checked(e.addr, "type: http", "protocol: tcp, proxy_protocol: "+version)
			g := start(t, document[strings.Index(document, "clusters:"):])
			up := e.accept()
			up.expect(want)
			up.serve(ok(""))
			if v := g.verdict(); v.State != "healthy" {
				t.Errorf("verdict = %+v", v)
			}
			g.apply("clusters: []\n")
		})
	}
}

func TestUnchecked(t *testing.T) {
	e := listen(t)
	g := start(t, checked(e.addr, "type: tcp", ""), func(o *proxy.Options) { o.Unchecked = true })
	g.ask("GET / HTTP/1.0\r\nHost: a\r\nContent-Length: x\r\n\r\n")
	e.unused()
	if st := g.set.Status()[0].Endpoints[0].Check; st.State != "unknown" {
		t.Errorf("check = %+v", st)
	}
}

// A panic in an active check ends that round only: it is counted and logged, and says nothing of the endpoint.
func TestCheckPanics(t *testing.T) {
	for name, tt := range map[string]struct {
		check, protocol string
		broken          func() (net.Conn, error)
	}{
		"connecting":       {"type: http", "http1", func() (net.Conn, error) { panic("a bug of ours") }},
		"reading HTTP/1.1": {"type: http", "http1", func() (net.Conn, error) { return panicking{drained()}, nil }},
	} {
		t.Run(name, func(t *testing.T) {
			app := httpApp(t, nil, func(p *http.Protocols) {
				p.SetHTTP1(true)
				p.SetUnencryptedHTTP2(true)
			}, health)
			var log testserver.Log
			var healed atomic.Bool
			dial := netio.Dialer(nil)
			g := start(t, often(checked(app, tt.check+", path: /grpc.health.v1.Health/Check, statuses: [200, 400]",
				"protocol: "+tt.protocol)),
				func(o *proxy.Options) {
					o.Logger = log.Logger()
					o.Dial = func(ctx context.Context, address string) (net.Conn, error) {
						if !healed.Load() {
							return tt.broken()
						}
						return dial(ctx, address)
					}
				})
			testserver.WaitFor(t, patience, "two rounds to panic",
				func() bool { return g.registry.Panics.Count(telemetry.L7) >= 2 })
			if st := g.set.Status()[0].Endpoints[0].Check; st.State != "unknown" {
				t.Errorf("the panic was taken for a result: %+v", st)
			}
			healed.Store(true)
			testserver.WaitFor(t, patience, "a good verdict after it", func() bool {
				return g.set.Status()[0].Endpoints[0].Check.State == "healthy"
			})
			for _, want := range []string{"BUG: panic in an active check", "a bug of ours",
				"healthcheck.(*check).probe"} {
				if !strings.Contains(log.String(), want) {
					t.Errorf("the log has no %q: %s", want, log.String())
				}
			}
		})
	}
}

// drained is a connection whose peer reads what comes and says nothing.
func drained() net.Conn {
	ours, theirs := net.Pipe()
	go func() { _, _ = io.Copy(io.Discard, theirs) }() // ends when ours is closed
	return ours
}
