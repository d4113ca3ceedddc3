package proxy_test

import (
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/crypto/bcrypt"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/internal/passwords"
	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
	"github.com/fabian4/gateway-homebrew-go/proxy"
	"github.com/fabian4/gateway-homebrew-go/proxy/route"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// htpasswd writes a file of users and passwords, by turns, and returns its path.
func htpasswd(t testing.TB, cost int, pairs ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "users")
	writeUsers(t, path, cost, pairs...)
	return path
}

func writeUsers(t testing.TB, path string, cost int, pairs ...string) {
	t.Helper()
	var b strings.Builder
	for i := 0; i < len(pairs); i += 2 {
		hash, err := bcrypt.GenerateFromPassword([]byte(pairs[i+1]), cost)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "%s:%s\n", pairs[i], hash)
	}
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
}

func basic(name, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(name+":"+password))
}

// asked is a document whose routes ask for a password.
func asked(file string) string {
	return strings.ReplaceAll(`
routes:
- {name: shop, match: {path_prefix: /shop}, basic_auth: {file: FILE, realm: shop}, cluster: app, prefix_rewrite: /rewritten}
- {name: page, match: {path: /page}, basic_auth: {file: FILE}, respond: {status: 200, body: page}}
- {name: near, match: {path: /near}, allow: {sources: [10.0.0.0/8]}, basic_auth: {file: FILE}, cluster: app}
- {name: limited, match: {path: /limited}, rate_limit: {rate: 0.001, burst: 2}, basic_auth: {file: FILE}, cluster: app}
- {name: hidden, match: {path: /hidden}, basic_auth: {file: FILE}, request_headers: {remove: [authorization]}, cluster: app}
- {name: all, match: {path_prefix: /}, cluster: app}
`, "FILE", file)
}

// A password is asked for in each version: when it is new, and when it has been checked before. The app gets the field.
// The connection goes on.
func TestBasicAuthVersions(t *testing.T) {
	handler := func(w http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		fmt.Fprintf(w, "%s %d %s", r.URL.Path, n, r.Header.Get("Authorization"))
	}
	file := htpasswd(t, bcrypt.MinCost, "ann", "secret", "bob", "more:secret")
	eachVersionOf(t, asked(file), handler, func(t *testing.T, g *gateway, c *http.Client, url string) {
		ann, bob := basic("ann", "secret"), basic("bob", "more:secret")
		const shop = `Basic realm="shop", charset="UTF-8"`
		const other = `Basic realm="restricted", charset="UTF-8"`
		refused := int64(0)
		for i, tt := range []struct {
			path, field     string
			status          int
			body, challenge string
		}{
			{"/shop/x", "", 401, "unauthorized\n", shop},
			{"/shop/x", ann, 200, "/rewritten/x 100000 " + ann, ""},
			{"/shop/x", ann, 200, "/rewritten/x 100000 " + ann, ""},
			{"/shop/%78", ann, 200, "/rewritten/x 100000 " + ann, ""},
			{"/shop/x", strings.Replace(bob, "Basic", "bAsIc", 1), 200, "/rewritten/x 100000 bAsIc" + bob[5:], ""},
			{"/shop/x", basic("ann", "guess"), 401, "unauthorized\n", shop},
			{"/shop/x", basic("ann", "guess"), 401, "unauthorized\n", shop},
			{"/shop/x", basic("nobody", "secret"), 401, "unauthorized\n", shop},
			{"/shop/x", basic("ann", "more:secret"), 401, "unauthorized\n", shop},
			{"/shop/x", basic("ann", strings.Repeat("x", 73)), 401, "unauthorized\n", shop},
			{"/shop/x", "Bearer " + ann[6:], 401, "unauthorized\n", shop},
			{"/shop/x", ann + "\n" + basic("nobody", ""), 401, "unauthorized\n", shop}, // the app may read either
			{"/page", "", 401, "unauthorized\n", other},
			{"/page", basic("bob", "x"), 401, "unauthorized\n", other},
			{"/page", ann, 200, "page", ""},
			{"/near", ann, 403, "forbidden\n", ""},
			{"/limited", "", 401, "unauthorized\n", other}, // guesses cost tokens
			{"/limited", ann, 200, "/limited 100000 " + ann, ""},
			{"/limited", ann, 429, "rate limited\n", ""},
			{"/hidden", ann, 200, "/hidden 100000 ", ""},
			{"/x", "", 200, "/x 100000 ", ""},
		} {
			req, err := http.NewRequest("POST", url+tt.path, strings.NewReader(strings.Repeat("x", 100_000)))
			if err != nil {
				t.Fatal(err)
			}
			for field := range strings.SplitSeq(tt.field, "\n") {
				if field != "" {
					req.Header.Add("Authorization", field)
				}
			}
			res, err := c.Do(req)
			if err != nil {
				t.Fatalf("%d %s: %v", i, tt.path, err)
			}
			body, err := io.ReadAll(res.Body)
			res.Body.Close()
			if err != nil || res.StatusCode != tt.status || string(body) != tt.body ||
				res.Header.Get("WWW-Authenticate") != tt.challenge {
				t.Errorf("%d %s with %q: %d %q %q, %v, want %d %q %q", i, tt.path, tt.field, res.StatusCode, body,
					res.Header.Get("WWW-Authenticate"), err, tt.status, tt.body, tt.challenge)
			}
			if tt.status == 401 || tt.status == 403 {
				refused++
			}
		}
		g.counted(telemetry.AC, refused)
	})
}

// A check takes long by intent. On the same connection of HTTP/2 others do not wait for it.
func TestBasicAuthHoldsNobodyUp(t *testing.T) {
	app := backend(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "app") })
	file := htpasswd(t, 12, "ann", "secret") // a quarter of a second or more
	g := start(t, asked(file)+"clusters: [{name: app, endpoints: [\""+app+"\"]}]\n")
	c := versionClient(t, true)
	login(t, c, "http://"+g.addr+"/x", "", 200) // the connection is there
	var checked atomic.Bool
	var wg sync.WaitGroup
	wg.Go(func() {
		login(t, c, "http://"+g.addr+"/shop/x", basic("ann", "secret"), 200)
		checked.Store(true)
	})
	meanwhile := 0
	for !checked.Load() {
		login(t, c, "http://"+g.addr+"/x", "", 200)
		meanwhile++
	}
	wg.Wait()
	if meanwhile < 3 {
		t.Errorf("%d requests were answered while a password was checked", meanwhile)
	}
}

// login sends one request with a field Authorization (empty: without) and holds the response to a status.
func login(t testing.TB, c *http.Client, url, field string, want int) {
	t.Helper()
	if got := statusOf(t, c, url, field); got != want {
		t.Errorf("%s: %d, want %d", url, got, want)
	}
}

func statusOf(t testing.TB, c *http.Client, url, field string) int {
	t.Helper()
	req, err := http.NewRequest("GET", url, nil)
	if err != nil {
		t.Error(err)
		return 0
	}
	if field != "" {
		req.Header.Set("Authorization", field)
	}
	res, err := c.Do(req)
	if err != nil {
		t.Error(err)
		return 0
	}
	_, _ = io.Copy(io.Discard, res.Body)
	res.Body.Close()
	return res.StatusCode
}

// A flood of guesses waits in a short queue, and the rest is turned away at once. Who has been let in before is.
func TestBasicAuthFlood(t *testing.T) {
	app := backend(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "app") })
	file := htpasswd(t, 8, "ann", "secret")
	log := newLog(t)
	g := start(t, asked(file)+"clusters: [{name: app, endpoints: [\""+app+"\"]}]\n", log.use)
	url := "http://" + g.addr + "/shop/x"
	login(t, versionClient(t, false), url, basic("ann", "secret"), 200)
	var wg sync.WaitGroup
	var wrong, busy atomic.Int64
	c := versionClient(t, true)
	for i := range 200 {
		wg.Go(func() {
			switch got := statusOf(t, c, url, basic("ann", fmt.Sprint("guess", i))); got {
			case 401:
				wrong.Add(1)
			case 503:
				busy.Add(1)
			default:
				t.Errorf("a guess: %d", got)
			}
		})
	}
	for range 20 {
		login(t, c, url, basic("ann", "secret"), 200)
	}
	wg.Wait()
	if wrong.Load() == 0 || busy.Load() == 0 {
		t.Errorf("%d guesses were checked and %d turned away, want some of both", wrong.Load(), busy.Load())
	}
	for _, l := range log.lines(221) {
		if l["status"] == 503.0 && (l["flag"] != "AC" ||
			l["reason"] != "too many passwords wait to be checked (basic_auth)") {
			t.Fatalf("logged as %v", l)
		}
	}
}

// A client that goes away while its password waits for its turn is not waited for, and nothing is left of it.
func TestBasicAuthClientGoesAway(t *testing.T) {
	app := backend(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "app") })
	file := htpasswd(t, 10, "ann", "secret")
	g := start(t, asked(file)+"clusters: [{name: app, endpoints: [\""+app+"\"]}]\n")
	for i := range 8 {
		c := g.dial()
		c.send("GET /shop/x HTTP/1.1\r\nHost: a\r\nAuthorization: " + basic("ann", fmt.Sprint(i)) + "\r\n\r\n")
		_ = c.SetLinger(0)
		c.Close()
	}
	testserver.WaitFor(t, patience, "a free place", func() bool {
		return statusOf(t, versionClient(t, false), "http://"+g.addr+"/shop/x", basic("ann", "secret")) == 200
	})
}

func TestBasicAuthIsToldOf(t *testing.T) {
	log := newLog(t)
	file := htpasswd(t, bcrypt.MinCost, "ann", "secret", "bob", "x")
	g := start(t, asked(file)+"clusters: [{name: app, endpoints: [\"127.0.0.1:9001\"]}]\n", log.use)
	for i, tt := range []struct{ path, field, reason string }{
		{"/shop/1", "", "the request has no name and password (basic_auth)"},
		{"/shop/2", "Authorization: " + basic("ann", "guess") + "\r\n", "name or password is wrong (basic_auth)"},
		{"/shop/3", "Authorization: " + basic("ann", "guess") + "\r\n", "name or password is wrong (basic_auth)"},
		{"/shop/4", "Authorization: a\r\nAuthorization: b\r\n",
			"the request has more than one Authorization (basic_auth)"},
	} {
		g.ask("GET " + tt.path + " HTTP/1.1\r\nHost: a\r\n" + tt.field + "\r\n")
		l := log.lineOf(i+1, "path", tt.path)
		if l["status"] != 401.0 || l["flag"] != "AC" || l["reason"] != tt.reason || l["cluster"] != "" {
			t.Errorf("logged as %v, want 401 AC by %q", l, tt.reason)
		}
		if text := fmt.Sprint(l); strings.Contains(text, "guess") || strings.Contains(text, basic("ann", "guess")[6:]) {
			t.Errorf("the line has the password: %s", text)
		}
	}
	e, err := g.server.Explain(route.ExplainRequest{URL: "http://x/shop"}, config.Standard())
	if want := (route.PasswordsInForce{File: file, Users: 2, Realm: "shop"}); err != nil || e.Access == nil ||
		e.Access.BasicAuth == nil || *e.Access.BasicAuth != want || e.Access.Refused != "" {
		t.Errorf("explained as %+v, %v, want %+v", e.Access, err, want)
	}
}

// What the file says at the moment counts, over revisions too; a file that is missing refuses the revision.
func TestBasicAuthFileChanges(t *testing.T) {
	app := backend(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "app") })
	file := htpasswd(t, bcrypt.MinCost, "ann", "secret")
	set := passwords.NewSet(passwords.Options{})
	defer set.Close()
	document := asked(file) + "clusters: [{name: app, endpoints: [\"" + app + "\"]}]\n"
	g := start(t, document, func(o *proxy.Options) { o.Passwords = set })
	url, c := "http://"+g.addr+"/shop", versionClient(t, false)
	login(t, c, url, basic("ann", "secret"), 200)
	writeUsers(t, file, bcrypt.MinCost, "ann", "new")
	testserver.WaitFor(t, patience, "the old password to be refused", func() bool {
		return statusOf(t, c, url, basic("ann", "secret")) == 401
	})
	login(t, c, url, basic("ann", "new"), 200)
	_, _, err := g.prepare(asked(filepath.Join(t.TempDir(), "none")) +
		"clusters: [{name: app, endpoints: [\"" + app + "\"]}]\n")
	if err == nil || !strings.Contains(err.Error(), "routes[0].basic_auth.file: ") {
		t.Errorf("a revision without its file: %v", err)
	}
	g.apply(document)
	login(t, c, url, basic("ann", "new"), 200)
	g.apply(to(app))
	if st := set.Status(); len(st) != 0 {
		t.Errorf("a file that no revision names is kept: %+v", st)
	}
}

// A caller of gRPC is told UNAUTHENTICATED, and gets through with a password.
func TestBasicAuthGRPC(t *testing.T) {
	file := htpasswd(t, bcrypt.MinCost, "ann", "secret")
	g := start(t,
		"routes:\n- {name: a, match: {path_prefix: /}, basic_auth: {file: "+file+"}, respond: {status: 403}}\n")
	c, err := grpc.NewClient(g.addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for field, want := range map[string]codes.Code{
		"": codes.Unauthenticated, basic("ann", "guess"): codes.Unauthenticated,
		basic("ann", "secret"): codes.PermissionDenied, // of the route itself
	} {
		ctx := t.Context()
		if field != "" {
			ctx = metadata.AppendToOutgoingContext(ctx, "authorization", field)
		}
		st, err := c.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, "/x.Y/Get")
		if err == nil {
			err = st.RecvMsg(nil)
		}
		if status.Code(err) != want {
			t.Errorf("%q: %v, want %s", field, err, want)
		}
	}
}
