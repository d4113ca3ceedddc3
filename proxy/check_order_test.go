package proxy_test

import (
	"io"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"github.com/fabian4/gateway-homebrew-go/proxy"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// A request is checked in one order, whatever versions there are: match, source, rate limit, password, another service,
// and only then it goes on. Each row is stopped by one check, and nothing behind that one has heard of it.
func TestOrderOfChecks(t *testing.T) {
	file := htpasswd(t, bcrypt.MinCost, "ann", "secret")
	var service, app atomic.Int64
	auth := backend(t, func(w http.ResponseWriter, r *http.Request) {
		service.Add(1)
		if r.Header.Get("X-May") == "" {
			w.WriteHeader(http.StatusForbidden)
			_, _ = io.WriteString(w, "service\n")
		}
	})
	routes := strings.NewReplacer("FILE", file, "AUTH", auth).Replace(`
routes:
- name: checked
  match: {path: /checked, source: [10.0.0.0/8]}
  deny: {sources: [10.0.0.1]}
  rate_limit: {rate: 0.001, burst: 3}
  basic_auth: {file: FILE}
  external_auth: {cluster: auth, request_headers: [x-may]}
  cluster: app
- {name: other, match: {path: /checked}, respond: {status: 418, body: "other\n"}}
`)
	handler := func(w http.ResponseWriter, _ *http.Request) {
		app.Add(1)
		_, _ = io.WriteString(w, "app\n")
	}
	trusting := func(o *proxy.Options) { o.Trusted = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} }
	withAuth := `clusters: [{name: auth, endpoints: ["` + auth + `"]}, {name: app, `
	for _, down2 := range []bool{false, true} {
		for _, up2 := range []bool{false, true} {
			name := map[bool]string{false: "http1", true: "http2"}
			t.Run(name[down2]+" to "+name[up2], func(t *testing.T) {
				g := start(t, routes+withAuth+"protocol: "+name[up2]+`, endpoints: ["`+versionBackend(t, up2, handler)+
					`"]}]`+"\n", trusting)
				c := versionClient(t, down2)
				service.Store(0)
				app.Store(0)
				ann := basic("ann", "secret")
				for _, tt := range []struct {
					what, from, password, may string
					status                    int
					body                      string
					asked, reached            int64 // the service and the app, in all
				}{
					{"match", "192.0.2.1", "", "", 418, "other\n", 0, 0},
					{"source", "10.0.0.1", "", "", 403, "forbidden\n", 0, 0},
					{"source again, which costs no token", "10.0.0.1", ann, "1", 403, "forbidden\n", 0, 0},
					{"password", "10.0.0.2", basic("ann", "guess"), "1", 401, "unauthorized\n", 0, 0},
					{"service", "10.0.0.2", ann, "", 403, "service\n", 1, 0},
					{"nothing", "10.0.0.2", ann, "1", 200, "app\n", 2, 1},
					{"rate, before a password", "10.0.0.2", "", "1", 429, "rate limited\n", 2, 1},
					{"rate, before the service", "10.0.0.2", ann, "", 429, "rate limited\n", 2, 1},
					{"source, before the rate", "10.0.0.1", ann, "1", 403, "forbidden\n", 2, 1},
				} {
					req, err := http.NewRequest("GET", "http://"+g.addr+"/checked", nil)
					if err != nil {
						t.Fatal(err)
					}
					req.Header.Set("X-Forwarded-For", tt.from)
					for field, value := range map[string]string{"Authorization": tt.password, "X-May": tt.may} {
						if value != "" {
							req.Header.Set(field, value)
						}
					}
					res, err := c.Do(req)
					if err != nil {
						t.Fatal(err)
					}
					body, err := io.ReadAll(res.Body)
					res.Body.Close()
					if err != nil || res.StatusCode != tt.status || string(body) != tt.body ||
						service.Load() != tt.asked || app.Load() != tt.reached {
						t.Errorf("stopped by %s: %d %q, %v, the service asked %d times, the app %d; want %d %q %d %d",
							tt.what, res.StatusCode, body, err, service.Load(), app.Load(), tt.status, tt.body,
							tt.asked, tt.reached)
					}
				}
				g.counted(telemetry.AC, 5)
				g.counted(telemetry.RL, 2)
			})
		}
	}
}
