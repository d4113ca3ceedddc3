package route

import (
	"strings"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/proxy/message"
)

// written is an HTTP/1.1 form of what is added to a head.
type written struct{ b []byte }

func (w *written) BeginField(name []byte) []byte { return append(append(w.b, name...), ": "...) }
func (w *written) EndField(_, b []byte, _ int)   { w.b = append(b, '\n') }

func editsOf(t testing.TB, list ...*config.HeaderEdits) *Edits {
	t.Helper()
	fixed := [config.VariableCount]string{config.VarRoute: "r\x00", config.VarInstance: "$i"}
	e, err := compileEdits(&fixed, list...)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func header(name, value string) []config.Header { return []config.Header{{Name: name, Value: value}} }

// Edits that follow each other are one: what a later one removes or sets is not there any more.
func TestEdits(t *testing.T) {
	for _, tt := range []struct {
		name        string
		first, then config.HeaderEdits
		want        string
	}{
		{"nothing", config.HeaderEdits{}, config.HeaderEdits{}, "A: 1\nServer: 2\nA: 3\n"},
		{"remove", config.HeaderEdits{Remove: []string{"a"}}, config.HeaderEdits{}, "Server: 2\n"},
		{"remove a known one", config.HeaderEdits{Remove: []string{"server"}}, config.HeaderEdits{}, "A: 1\nA: 3\n"},
		{"remove another", config.HeaderEdits{Remove: []string{"b", "x-request-id"}}, config.HeaderEdits{},
			"A: 1\nServer: 2\nA: 3\n"},
		{"set", config.HeaderEdits{Set: header("a", "4")}, config.HeaderEdits{}, "Server: 2\na: 4\n"},
		{"add", config.HeaderEdits{Add: header("a", "4")}, config.HeaderEdits{}, "A: 1\nServer: 2\nA: 3\na: 4\n"},
		{"remove, set and add", config.HeaderEdits{Remove: []string{"a"}, Set: header("a", "4"), Add: header("a", "5")},
			config.HeaderEdits{}, "Server: 2\na: 4\na: 5\n"},
		{"set twice", config.HeaderEdits{Set: header("server", "4")}, config.HeaderEdits{Set: header("server", "5")},
			"A: 1\nA: 3\nserver: 5\n"},
		{"added, then removed", config.HeaderEdits{Add: header("b", "4")}, config.HeaderEdits{Remove: []string{"b"}},
			"A: 1\nServer: 2\nA: 3\n"},
		{"removed, then added", config.HeaderEdits{Remove: []string{"a"}}, config.HeaderEdits{Add: header("a", "4")},
			"Server: 2\na: 4\n"},
	} {
		h := new(message.Head)
		h.Append([]byte("A"), []byte("1"))
		h.Append([]byte("Server"), []byte("2"))
		h.Append([]byte("A"), []byte("3"))
		e := editsOf(t, &tt.first, &tt.then)
		if (e == nil) != (tt.name == "nothing") {
			t.Errorf("%s: %+v", tt.name, e)
		}
		e.Mark(h)
		w := &written{}
		for i := range h.Fields {
			if f := &h.Fields[i]; !f.Hop {
				w.b = append(append(w.BeginField(h.Name(f)), h.Value(f)...), '\n')
			}
		}
		e.Add(w, exchangeOf("/", "", ""))
		if got := string(w.b); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

// A name with underscores is dropped with the one that an app takes it for.
func TestEditsDropSpellings(t *testing.T) {
	e := editsOf(t, &config.HeaderEdits{Remove: []string{"x-user", "user-agent", "server"}, Set: header("x_role", "a")})
	h := new(message.Head)
	for _, name := range []string{"X_User", "x-user", "User_Agent", "User-Agent", "Server", "X-Role", "X-Users",
		"Accept"} {
		h.Append([]byte(name), []byte("1"))
	}
	e.Mark(h)
	var kept []string
	for i := range h.Fields {
		if f := &h.Fields[i]; !f.Hop {
			kept = append(kept, string(h.Name(f)))
		}
	}
	if got := strings.Join(kept, " "); got != "X-Users Accept" {
		t.Errorf("%s stay, want X-Users and Accept", got)
	}
}

// exchangeOf is one with a path, an identity of the client and an id of the request.
func exchangeOf(path, identity, id string) *Exchange {
	h := &message.Head{Method: []byte("GET"), Path: []byte(path), Authority: []byte("A.test:81")}
	h.Append([]byte("X-Request-Id"), []byte(id))
	h.Append([]byte("Traceparent"), []byte("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"))
	c := &Client{IP: "192.0.2.1", Listener: &Listener{Name: "web"}, TLS: &TLSClient{Version: "1.3", Identity: identity}}
	return &Exchange{Decision: &Decision{}, Request: h, Client: c, Endpoint: "[fe80::1%eth0]:80"}
}

// A value is what its variables stand for. Whatever they hold, it is one value of one field.
func TestEditValue(t *testing.T) {
	x := exchangeOf("/a%0D%0Ab\x01", "a\r\nx-admin: 1", "\tid ")
	for value, want := range map[string]string{
		"":                               "",
		"a":                              "a",
		"$$ ${method}$$${host}":          "$ GET$A.test:81",
		"${path}":                        "/a%0D%0Ab%01",
		"${client_identity}":             "a%0D%0Ax-admin: 1",
		"${remote_ip} ${scheme}":         "192.0.2.1 http",
		"${trace_id}":                    "0af7651916cd43dd8448eb211c80319c",
		"${route}${instance}${endpoint}": "r%00$i[fe80::1%eth0]:80",
		"${listener}/${tls_version}":     "web/1.3",
		"${cluster} a ${revision} ":      "a",
		"${cluster}":                     "",
		"${cluster} ":                    "",
		"${revision} ${cluster} b":       "b",
		"${request_id}":                  "%09id",
	} {
		w := &written{}
		editsOf(t, &config.HeaderEdits{Set: header("a", value)}).Add(w, x)
		if got := string(w.b); got != "a: "+want+"\n" {
			t.Errorf("%q: %q, want %q", value, got, want)
		}
	}
}

// FuzzEditValue: whatever a client sends, a value stays one value, and what is text in it stays as it is.
func FuzzEditValue(f *testing.F) {
	f.Add("a ${path} b", "/a\r\nx: y", "id", "1")
	f.Add("${client_identity}", "/", "\x00\x7f\xff", " ")
	f.Add("$$${request_id}$$", "/", "", "\t\n")
	f.Fuzz(func(t *testing.T, value, path, identity, id string) {
		if _, err := config.ParseTemplate(value); err != nil || !message.ValidValue([]byte(value)) {
			return
		}
		w := &written{}
		editsOf(t, &config.HeaderEdits{Set: header("a", value)}).Add(w, exchangeOf(path, identity, id))
		got := strings.TrimSuffix(strings.TrimPrefix(string(w.b), "a: "), "\n")
		if !message.ValidValue([]byte(got)) || message.Padded([]byte(got)) {
			t.Fatalf("%q of %q, %q, %q: %q is no value of a field", value, path, identity, id, got)
		}
	})
}
