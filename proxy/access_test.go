package proxy_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/internal/testcert"
	"github.com/fabian4/gateway-homebrew-go/proxy/route"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

const guarded = `
routes:
- {name: near, match: {path: /near}, allow: {sources: [10.0.0.0/8, "2001:db8::/32"]}, deny: {sources: [10.9.0.0/16]}, cluster: app}
- {name: notfar, match: {path: /notfar}, deny: {sources: [192.0.2.0/24]}, cluster: app}
- {name: web, match: {path: /web}, allow: {identities: ["spiffe://td/ns/default/dc/*/svc/web", ops.example]}, cluster: app}
- {name: notweb, match: {path: /notweb}, deny: {identities: ["spiffe://td/ns/default/dc/*/svc/web"]}, cluster: app}
- {name: both, match: {path: /both}, allow: {sources: [10.0.0.0/8], identities: ["spiffe://td/ns/default/dc/dc1/svc/web"]}, cluster: app}
- {name: limited, match: {path: /limited}, allow: {sources: [10.0.0.0/8]}, rate_limit: {rate: 0.001, burst: 1}, cluster: app}
- {name: page, match: {path: /page}, allow: {sources: [10.0.0.0/8]}, respond: {status: 200, body: page}}
- {name: moved, match: {path: /moved}, allow: {sources: [10.0.0.0/8]}, redirect: {path: /new}}
- {name: all, match: {path_prefix: /}, cluster: app}
`

const (
	webDC1 = "spiffe://td/ns/default/dc/dc1/svc/web"
	webDC2 = "spiffe://td/ns/default/dc/dc2/svc/web"
)

// Who may is the same in each version. A client that may not is answered before the rate limit, and before what a route
// answers itself; the connection goes on.
func TestAccessVersions(t *testing.T) {
	handler := func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "app") }
	ca := testcert.NewCA(t, "root")
	listener := tlsListener(t, ca)
	eachVersionOf(t, listener+guarded, handler, func(t *testing.T, g *gateway, _ *http.Client, url string) {
		h2 := strings.Contains(t.Name(), "h2_to")
		clients := map[string]*http.Client{"": tlsClient(t, ca, h2, nil)}
		for _, who := range []string{webDC1, webDC2, "spiffe://td/ns/default/dc/dc1/svc/webs"} {
			clients[who] = tlsClient(t, ca, h2, &testcert.Leaf{URIs: []string{who}})
		}
		clients["ops"] = tlsClient(t, ca, h2, &testcert.Leaf{DNS: []string{"Ops.example"}})
		clients["dns"] = tlsClient(t, ca, h2, &testcert.Leaf{DNS: []string{webDC1}}) // a name of another kind
		var refused int64
		for _, tt := range []struct {
			who, from, path string
			status          int
		}{
			{"", "10.1.2.3", "/near", 200},
			{"", "2001:db8::7", "/near", 200},
			{"", "::ffff:10.1.2.3", "/near", 200},
			{"", "10.9.1.1", "/near", 403}, // deny is asked first
			{"", "192.0.2.1", "/near", 403},
			{"", "10.1.2.3, 192.0.2.1", "/near", 403}, // what a client claims in front of the proxy
			{"", "", "/near", 403},                    // the proxy's own address
			{"", "192.0.2.1", "/notfar", 403},
			{"", "10.1.2.3", "/notfar", 200},
			{webDC1, "", "/web", 200},
			{webDC2, "", "/web", 200},
			{"ops", "", "/web", 200},
			{"spiffe://td/ns/default/dc/dc1/svc/webs", "", "/web", 403},
			{"dns", "", "/web", 403},
			{"", "", "/web", 403},
			{webDC2, "", "/notweb", 403},
			{"ops", "", "/notweb", 200},
			{"", "", "/notweb", 200},
			{webDC1, "10.1.2.3", "/both", 200},
			{webDC1, "192.0.2.1", "/both", 403},
			{webDC2, "10.1.2.3", "/both", 403},
			{"", "10.1.2.3", "/both", 403},
			{"", "192.0.2.1", "/limited", 403}, // takes no token
			{"", "10.1.2.3", "/limited", 200},
			{"", "10.1.2.3", "/limited", 429},
			{"", "192.0.2.1", "/limited", 403},
			{"", "192.0.2.1", "/page", 403},
			{"", "10.1.2.3", "/page", 200},
			{"", "192.0.2.1", "/moved", 403},
			{"", "10.1.2.3", "/moved", 308},
			{"", "192.0.2.1", "/x", 200},
		} {
			req, err := http.NewRequest("POST", strings.Replace(url, "http:", "https:", 1)+tt.path,
				strings.NewReader(strings.Repeat("x", 100_000)))
			if err != nil {
				t.Fatal(err)
			}
			if tt.from != "" {
				req.Header.Set("X-Forwarded-For", tt.from)
			}
			req.Header.Set("X-Forwarded-Client-Cert", "Hash=00;URI="+webDC1) // nobody believes it
			req.Header.Set("X-Real-IP", "10.1.2.3")
			res, err := clients[tt.who].Do(req)
			if err != nil {
				t.Fatalf("%s of %q from %q: %v", tt.path, tt.who, tt.from, err)
			}
			body, err := io.ReadAll(res.Body)
			res.Body.Close()
			if err != nil || res.StatusCode != tt.status || tt.status == 403 && string(body) != "forbidden\n" {
				t.Errorf("%s of %q from %q: %d %q, %v, want %d", tt.path, tt.who, tt.from, res.StatusCode, body, err,
					tt.status)
			}
			if tt.status == 403 {
				refused++
			}
		}
		g.counted(telemetry.AC, refused)
	}, trusting("127.0.0.0/8"))
}

// tlsListener is a listener "web" that asks clients for certificates and does without.
func tlsListener(t testing.TB, ca *testcert.CA) string {
	t.Helper()
	dir := t.TempDir()
	cert, key := ca.Leaf(t, testcert.Leaf{IPs: []string{"127.0.0.1"}}).Write(t, dir, "server")
	return fmt.Sprintf("listeners:\n- {name: web, address: \"127.0.0.1:0\", tls: {certificates: [{cert_file: %s, "+
		"key_file: %s}], client_ca_file: %s, client_auth: optional}}\n", cert, key, ca.Write(t, dir, "ca"))
}

// tlsClient is a client of Go's own that speaks one version over TLS, with a certificate or (nil) without.
func tlsClient(t testing.TB, ca *testcert.CA, h2 bool, leaf *testcert.Leaf) *http.Client {
	t.Helper()
	tr := &http.Transport{Protocols: new(http.Protocols), TLSClientConfig: &tls.Config{RootCAs: ca.Pool()}}
	tr.Protocols.SetHTTP1(!h2)
	tr.Protocols.SetHTTP2(h2)
	if leaf != nil {
		tr.TLSClientConfig.Certificates = []tls.Certificate{ca.Leaf(t, *leaf).TLS(t)}
	}
	tr.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, addr)
	}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}
}

// What is refused is logged with its reason, whatever the sampling, and kept as a failure.
func TestAccessIsToldOf(t *testing.T) {
	log := newLog(t)
	g := start(t, guarded+"access_log: {sampling: 0}\nclusters: [{name: app, endpoints: [\"127.0.0.1:9001\"]}]\n",
		log.use)
	for i, tt := range []struct{ path, reason string }{
		{"/near", "the client's address is not in allow.sources"},
		{"/web", "the client has shown no certificate with a name, as allow.identities wants"},
	} {
		g.ask(get(tt.path))
		l := log.lineOf(i+1, "path", tt.path)
		if l["status"] != 403.0 || l["flag"] != "AC" || l["reason"] != tt.reason || l["cluster"] != "" ||
			l["route"] != tt.path[1:] || l["attempts"] != 0.0 || l["remote_ip"] != "127.0.0.1" {
			t.Errorf("logged as %v, want 403 AC by %q", l, tt.reason)
		}
	}
	if kept := g.keptFailures(2); len(kept) != 2 || kept[0].Flag != "AC" {
		t.Errorf("kept as failures: %+v", kept)
	}
}

// A caller of gRPC is told PERMISSION_DENIED.
func TestAccessGRPC(t *testing.T) {
	g := start(t,
		"routes: [{name: a, match: {path_prefix: /}, allow: {sources: [10.0.0.0/8]}, respond: {status: 200}}]\n")
	c, err := grpc.NewClient(g.addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	st, err := c.NewStream(t.Context(), &grpc.StreamDesc{ServerStreams: true}, "/x.Y/Get")
	if err == nil {
		err = st.RecvMsg(nil)
	}
	if status.Code(err) != codes.PermissionDenied || status.Convert(err).Message() != "forbidden" {
		t.Errorf("got %v, want PermissionDenied: forbidden", err)
	}
}

func TestExplainAccess(t *testing.T) {
	g := start(t, guarded+"clusters: [{name: app, endpoints: [\"127.0.0.1:9001\"]}]\n")
	for _, tt := range []struct{ path, source, identity, refused, unsaid string }{
		{"/near", "10.1.1.1", "", "", ""},
		{"/near", "10.9.1.1", "", "the client's address is in deny.sources", ""},
		{"/near", "", "", "", "source"},
		{"/web", "", webDC2, "", ""},
		{"/web", "", "other.example", "the client's certificate has no name of allow.identities", ""},
		{"/notweb", "", webDC2, "the client's certificate has a name of deny.identities", ""},
		{"/both", "", "", "", "source identity"},
		{"/both", "192.0.2.1", "", "the client's address is not in allow.sources", "identity"},
		{"/both", "10.1.1.1", webDC2, "the client's certificate has no name of allow.identities", ""},
	} {
		q := route.ExplainRequest{URL: "http://x" + tt.path, Source: tt.source, Identity: tt.identity}
		e, err := g.server.Explain(q, config.Standard())
		if err != nil || e.Access == nil || e.Access.Refused != tt.refused ||
			strings.Join(e.Access.Unsaid, " ") != tt.unsaid || len(e.Clusters) != 1 {
			t.Errorf("%+v: %+v, %v, want refused by %q, unsaid %q", q, e.Access, err, tt.refused, tt.unsaid)
		}
	}
	e, err := g.server.Explain(route.ExplainRequest{URL: "http://x/"}, config.Standard())
	if err != nil || e.Access != nil {
		t.Errorf("explained as %+v, %v, want no word about access", e.Access, err)
	}
	_, err = g.server.Explain(route.ExplainRequest{URL: "http://x/", Identity: "spiffe://td/*"}, config.Standard())
	if err == nil || err.Error() != `identity "spiffe://td/*": want one name, without stars` {
		t.Errorf("a pattern as identity: %v", err)
	}
}
