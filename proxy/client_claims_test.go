package proxy_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/textproto"
	"slices"
	"strings"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/internal/netio"
	"github.com/fabian4/gateway-homebrew-go/proxy"
)

// What clients say about themselves is tried in every pair of versions. It is tried twice each, since the first
// request of a connection may be carried in another way than the later ones. Only a trusted proxy may say it, and
// nobody behind a body.
func TestClaimsOfClients(t *testing.T) {
	claims := []string{"Forwarded", "X-Real-Ip", "X-Forwarded-Port", "X-Forwarded-Server"}
	// An app that CGI speaks to, or WSGI, cannot tell these from what the gateway says, whoever has sent them.
	respelled := []string{"X_Forwarded_For", "X_Forwarded_Client_Cert", "X_real-ip", "X-Forwarded_Proto"}
	seen := make(chan *http.Request, 1)
	handler := func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // behind it are the trailers
		seen <- r
	}
	for _, tt := range []struct {
		name            string
		options         []func(*proxy.Options)
		claimed         string // what comes of each claim in the head
		chain, of, with string // X-Forwarded-For, -Host and -Proto
	}{
		{"a stranger", nil, "", "127.0.0.1", "a.example", "http"},
		{"a trusted proxy", []func(*proxy.Options){trusting("127.0.0.0/8")}, "claimed", "203.0.113.9, 127.0.0.1",
			"b.example", "https"},
		{"not a proxy of that network", []func(*proxy.Options){trusting("10.0.0.0/8")}, "", "127.0.0.1", "a.example",
			"http"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			eachVersion(t, handler, func(t *testing.T, _ *gateway, c *http.Client, url string) {
				for n := range 2 {
					req, err := http.NewRequest("POST", url, io.NopCloser(strings.NewReader("body")))
					if err != nil {
						t.Fatal(err)
					}
					req.Host = "a.example"
					req.Trailer = http.Header{"X-Kept": {"kept"}, "X-Forwarded-For": {"1.1.1.1"},
						"X-Forwarded-Proto": {"x"}}
					for _, name := range claims {
						req.Header.Set(name, "claimed")
						req.Trailer.Set(name, "claimed")
					}
					for _, name := range respelled {
						req.Header[name] = []string{"claimed"}
						req.Trailer[name] = []string{"claimed"}
					}
					req.Header.Set("X-Forwarded-For", "203.0.113.9")
					req.Header.Set("X-Forwarded-Host", "b.example")
					req.Header.Set("X-Forwarded-Proto", "https")
					res, err := c.Do(req)
					if err != nil {
						t.Fatal(err)
					}
					res.Body.Close()
					r := <-seen
					for _, name := range claims {
						if got := strings.Join(r.Header[name], ","); got != tt.claimed {
							t.Errorf("request %d: %s = %q, want %q", n, name, got, tt.claimed)
						}
					}
					for _, name := range respelled {
						if got := r.Header[textproto.CanonicalMIMEHeaderKey(name)]; got != nil {
							t.Errorf("request %d: %s = %q, want none", n, name, got)
						}
					}
					for name, want := range map[string]string{"X-Forwarded-For": tt.chain, "X-Forwarded-Host": tt.of,
						"X-Forwarded-Proto": tt.with} {
						if got := r.Header[name]; !slices.Equal(got, []string{want}) {
							t.Errorf("request %d: %s = %q, want %q", n, name, got, want)
						}
					}
					for name := range req.Trailer {
						if got, want := r.Trailer.Get(name),
							map[bool]string{true: "kept"}[name == "X-Kept"]; got != want {
							t.Errorf("request %d: trailer %s = %q, want %q", n, name, got, want)
						}
					}
				}
			}, tt.options...)
		})
	}
}

// However a trusted proxy writes the client's address, it is the same one in the access log and for a rate limit.
func TestForwardedAddresses(t *testing.T) {
	for written, want := range map[string]string{
		"203.0.113.9":                      "203.0.113.9",
		"203.0.113.9:4711":                 "203.0.113.9",
		"::ffff:203.0.113.9":               "203.0.113.9",
		"[::ffff:203.0.113.9]:4711":        "203.0.113.9",
		"1.1.1.1, 203.0.113.9, , 10.0.0.7": "203.0.113.9",
		"203.0.113.9, 10.0.0.7:80,":        "203.0.113.9",
		"2001:db8::1":                      "2001:db8::1",
		"[2001:db8::1]":                    "2001:db8::1",
		"[2001:DB8:0::1]:4711":             "2001:db8::1",
		"2001:db8::1%eth0":                 "2001:db8::1",
		`"203.0.113.9"`:                    "203.0.113.9",
		`"[2001:db8::1]:4711", "10.0.0.7"`: "2001:db8::1",
		"203.0.113.9, unknown":             "127.0.0.1",
		`203.0.113.9, ""`:                  "127.0.0.1",
		`203.0.113.9, "10.0.0.7`:           "127.0.0.1",
		", ,":                              "127.0.0.1",
	} {
		for _, h2 := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, http2 %v", written, h2), func(t *testing.T) {
				log := newLog(t)
				g := start(t, routed(echo(t), slowly(1, "remote_ip")), log.use, trusting("127.0.0.0/8", "10.0.0.0/8"))
				c := versionClient(t, h2)
				for i, from := range []string{want, written} { // the second finds the bucket of the first empty
					req, err := http.NewRequest("GET", "http://"+g.addr, nil)
					if err != nil {
						t.Fatal(err)
					}
					req.Header.Set("X-Forwarded-For", from)
					res, err := c.Do(req)
					if err != nil {
						t.Fatal(err)
					}
					res.Body.Close()
					if limited := res.StatusCode == 429; limited != (i == 1) {
						t.Errorf("X-Forwarded-For %q: status %d", from, res.StatusCode)
					}
				}
				for _, line := range log.lines(2) {
					if line["remote_ip"] != want {
						t.Errorf("remote_ip = %v, want %s", line["remote_ip"], want)
					}
				}
			})
		}
	}
}

// The zone of an endpoint's address means something on this host only: it is no part of Host or :authority.
func TestZoneOfAnEndpointStaysHere(t *testing.T) {
	seen := make(chan string, 1)
	handler := func(_ http.ResponseWriter, r *http.Request) { seen <- r.Host }
	for _, down2 := range []bool{false, true} {
		for _, up2 := range []bool{false, true} {
			t.Run(fmt.Sprintf("http2 client %v, endpoint %v", down2, up2), func(t *testing.T) {
				app, dial := versionBackend(t, up2, handler), netio.Dialer(nil)
				protocol := map[bool]string{false: "http1", true: "http2"}[up2]
				g := start(t, clustered("preserve_host: false", "protocol: "+protocol, "[fe80::1%eth0]:81"),
					func(o *proxy.Options) {
						o.Dial = func(ctx context.Context, address string) (net.Conn, error) {
							if address != "[fe80::1%eth0]:81" {
								t.Errorf("the gateway dials %q", address)
							}
							return dial(ctx, app)
						}
					})
				c := versionClient(t, down2)
				for range 2 {
					res, err := c.Get("http://" + g.addr)
					if err != nil {
						t.Fatal(err)
					}
					res.Body.Close()
					if got := <-seen; got != "[fe80::1]:81" {
						t.Errorf("host = %q, want %q", got, "[fe80::1]:81")
					}
				}
			})
		}
	}
}
