package consul

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"
	"github.com/hashicorp/go-hclog"

	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
)

// captured is a transport that only notes what it was asked.
type captured struct{ url *url.URL }

func (c *captured) RoundTrip(r *http.Request) (*http.Response, error) {
	c.url = r.URL
	return nil, context.Canceled
}

// The library is the oracle: it is what Consul's command line uses.
func TestAddressMeansWhatItMeansToTheLibrary(t *testing.T) {
	for _, row := range []struct{ addr, ssl string }{
		{"", ""},
		{"127.0.0.1:8500", ""},
		{"127.0.0.1:8501", "true"},
		{"127.0.0.1:8501", "0"},
		{"consul.example", ""},
		{"[::1]:8500", ""},
		{"http://127.0.0.1:8500", ""},
		{"http://127.0.0.1:8500", "true"},
		{"https://127.0.0.1:8501", ""},
		{"https://127.0.0.1:8501", "false"},
		{"http://127.0.0.1:8500/behind/a/proxy", ""},
	} {
		t.Run(row.addr+" "+row.ssl, func(t *testing.T) {
			clearEnvironment(t)
			t.Setenv("CONSUL_HTTP_ADDR", row.addr)
			t.Setenv("CONSUL_HTTP_SSL", row.ssl)
			t.Setenv("CONSUL_NAMESPACE", "team")
			want := &captured{}
			config := api.DefaultConfig()
			config.HttpClient = &http.Client{Transport: want}
			client, err := api.NewClient(config)
			if err != nil {
				t.Fatal(err)
			}
			_, _, _ = client.KV().Get("a/b", nil) // its transport answers nothing

			l, err := newLink(Options{})
			if err != nil {
				t.Fatal(err)
			}
			req, err := l.request(t.Context(), http.MethodGet, "/v1/kv/a/b", url.Values{}, nil)
			if err != nil {
				t.Fatal(err)
			}
			if req.URL.String() != want.url.String() {
				t.Errorf("asked %s, the library %s", req.URL, want.url)
			}
		})
	}
}

func TestBadEnvironment(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing.pem")
	for _, row := range []struct{ name, value, want string }{
		{"CONSUL_HTTP_SSL", "yes please", `env CONSUL_HTTP_SSL: "yes please"`},
		{"CONSUL_HTTP_SSL_VERIFY", "fales", `env CONSUL_HTTP_SSL_VERIFY: "fales"`},
		{"CONSUL_HTTP_ADDR", "ftp://127.0.0.1:8500", "env CONSUL_HTTP_ADDR"},
		{"CONSUL_HTTP_ADDR", "http://", "env CONSUL_HTTP_ADDR"},
		{"CONSUL_HTTP_ADDR", "user@host:8500", "env CONSUL_HTTP_ADDR"},
		{"CONSUL_HTTP_ADDR", "127.0.0.1:port", "env CONSUL_HTTP_ADDR"},
		{"CONSUL_CACERT", missing, "env CONSUL_CACERT: " + missing},
		{"CONSUL_CAPATH", missing, "env CONSUL_CAPATH: "},
		{"CONSUL_CLIENT_CERT", "link_test.go", "env CONSUL_CLIENT_CERT: both"},
		{"CONSUL_HTTP_ADDR", "http://ann:hush@127.0.0.1:8500",
			`env CONSUL_HTTP_ADDR: "http://***@127.0.0.1:8500": has a user`},
		{"CONSUL_HTTP_ADDR", "ann:hu/hush@127.0.0.1:8500", `env CONSUL_HTTP_ADDR: "***@127.0.0.1:8500": has a user`},
		{"CONSUL_HTTP_ADDR", "ftp://ann:hush@127.0.0.1", `env CONSUL_HTTP_ADDR: "ftp://***@127.0.0.1": scheme`},
	} {
		t.Run(row.name+"="+row.value, func(t *testing.T) {
			clearEnvironment(t)
			t.Setenv(row.name, row.value)
			if _, err := New(Options{}); err == nil || !strings.Contains(err.Error(), row.want) {
				t.Errorf("New: %v, want %s", err, row.want)
			} else if strings.Contains(err.Error(), "hush") {
				t.Errorf("New shows a password: %v", err)
			}
		})
	}
}

func TestTokenPrecedence(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	full, empty, odd := file("full", " from-file\n"), file("empty", "\n"), file("odd", "two words")
	for _, row := range []struct {
		name, env, envFile string
		options            Options
		want, wrong        string
	}{
		{name: "none"},
		{name: "variable", env: "from-env", want: "from-env"},
		{name: "file over variable", env: "from-env", envFile: full, want: "from-file"},
		{name: "empty file", env: "from-env", envFile: empty, want: "from-env"},
		{name: "option over both", env: "from-env", envFile: full, options: Options{Token: "given"}, want: "given"},
		{name: "file option over all", env: "from-env", options: Options{Token: "given", TokenFile: full},
			want: "from-file"},
		{name: "not a token", envFile: odd, wrong: "printable"},
		{name: "variable of two lines", env: "two\nlines", wrong: "env CONSUL_HTTP_TOKEN: not one line of printable"},
		{name: "too large", envFile: file("large", strings.Repeat("x", maxTokenBytes+1)), wrong: "larger than 16 KiB"},
		{name: "missing", env: "from-env", envFile: filepath.Join(dir, "missing"), wrong: "no such file"},
	} {
		t.Run(row.name, func(t *testing.T) {
			clearEnvironment(t)
			t.Setenv("CONSUL_HTTP_TOKEN", row.env)
			t.Setenv("CONSUL_HTTP_TOKEN_FILE", row.envFile)
			c, err := New(row.options)
			if err != nil {
				t.Fatal(err)
			}
			got, err := c.token.current()
			if row.wrong != "" {
				if err == nil || !strings.Contains(err.Error(), row.wrong) {
					t.Errorf("token %q, %v, want an error with %q", got, err, row.wrong)
				}
				return
			}
			if err != nil || got != row.want {
				t.Errorf("token %q, %v, want %q", got, err, row.want)
			}
		})
	}
}

func TestTokenStaysWhileItsFileIsAway(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("one")
	tok := newToken(path, "")
	for i, row := range []struct {
		do    func()
		news  tokenNews
		token string
		fault string // a part of it
	}{
		{func() {}, tokenSame, "one", ""},
		{func() { write("") }, tokenBroke, "one", "empty"},
		{func() {}, tokenSame, "one", "empty"},
		{func() { os.Remove(path) }, tokenBroke, "one", "no such file"},
		{func() { write("one\n") }, tokenMended, "one", ""},
		{func() { write("a b") }, tokenBroke, "one", "printable"},
		{func() { write("two") }, tokenChanged, "two", ""},
	} {
		row.do()
		if news := tok.refresh(); news != row.news {
			t.Errorf("row %d: news %d, want %d", i, news, row.news)
		}
		if got, err := tok.current(); got != row.token || err != nil {
			t.Errorf("row %d: token %q, %v, want the last good one", i, got, err)
		}
		switch err := tok.fault(); {
		case (err != nil) != (row.fault != ""), err != nil && !strings.Contains(err.Error(), row.fault),
			err != nil && !strings.Contains(err.Error(), "env CONSUL_HTTP_TOKEN_FILE: "+path):
			t.Errorf("row %d: fault %v, want %q", i, err, row.fault)
		}
	}
}

func TestUnixSocket(t *testing.T) {
	testserver.Goroutines(t)
	path := filepath.Join(t.TempDir(), "consul.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	var conns atomic.Int32
	server := &httptest.Server{Listener: l, Config: &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { say(w, "7", oneInstance) }),
		ConnState: func(_ net.Conn, s http.ConnState) {
			if s == http.StateNew {
				conns.Add(1)
			}
		},
	}}
	server.Start()
	defer server.Close()
	c := newConsul(t, "unix://"+path)
	for range 3 {
		if a, err := c.health(t.Context(), service{name: "api"}, fetchOptions{}); err != nil || len(a.value) != 1 {
			t.Fatalf("health = %+v, %v", a, err)
		}
	}
	if n := conns.Load(); n != 1 {
		t.Errorf("3 questions took %d connections, want 1", n)
	}
}

func TestTLSUsesHTTP2AndFollowsItsFiles(t *testing.T) {
	testserver.Goroutines(t)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		say(w, "7",
			oneInstance)
	}))
	server.EnableHTTP2 = true
	server.Config.ErrorLog = hclog.NewNullLogger().StandardLogger(nil) // of the handshake that is to fail
	server.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	server.StartTLS()
	defer server.Close()
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	path := filepath.Join(t.TempDir(), "ca.pem")
	other := otherAuthority(t)
	if err := os.WriteFile(path, other, 0o600); err != nil {
		t.Fatal(err)
	}
	clearEnvironment(t)
	t.Setenv("CONSUL_HTTP_ADDR", "https://"+server.Listener.Addr().String())
	t.Setenv("CONSUL_CACERT", path)
	c, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.health(t.Context(), service{name: "api"}, fetchOptions{}); err == nil {
		t.Fatal("a server of another authority was believed")
	}
	if err := os.WriteFile(path, ca, 0o600); err != nil {
		t.Fatal(err)
	}
	c.Reload()
	defer c.link.Load().http.CloseIdleConnections()
	if _, err := c.health(t.Context(), service{name: "api"}, fetchOptions{}); err != nil {
		t.Fatal(err)
	}
	if !c.http2.Load() {
		t.Error("the agent was not asked over HTTP/2")
	}
	if err := os.WriteFile(path, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	c.Reload()
	if _, err := c.health(t.Context(), service{name: "api"}, fetchOptions{}); err != nil {
		t.Errorf("after a bad file: %v, want the connection as it was", err)
	}
}

// otherAuthority is a certificate that signed nothing.
func otherAuthority(t *testing.T) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), IsCA: true, BasicConstraintsValid: true,
		NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}
