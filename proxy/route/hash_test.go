package route

import (
	"testing"

	"github.com/fabian4/gateway-homebrew-go/internal/cluster"
	"github.com/fabian4/gateway-homebrew-go/internal/config"
)

// hashing is a table whose only cluster has that hash.
func hashing(t *testing.T, h config.Hash) *Table {
	t.Helper()
	tb := table(t, config.Route{}, 0)
	tb.upstreams["app"].Hash = CompileHash(&config.Cluster{Balance: config.BalanceHash, Hash: h})
	return tb
}

func TestHashKey(t *testing.T) {
	header, query := config.Hash{Header: "x-user"}, config.Hash{Query: "user"}
	cookie, source := config.Hash{Cookie: config.Cookie{Name: "user", Path: "/"}}, config.Hash{SourceIP: true}
	for _, tt := range []struct {
		name         string
		hash         config.Hash
		line, fields string
		want         string // the bytes of the key; "" = none
	}{
		{"field", header, "GET /", "X-USER: ann\r\n", "ann"},
		{"first of several", header, "GET /", "X-User: ann\r\nX-User: bob\r\n", "ann"},
		{"no field", header, "GET /", "X-Users: ann\r\n", ""},
		{"parameter", query, "GET /?a=b&user=ann&user=bob", "", "ann"},
		{"parameter without value before one with", query, "GET /?user&user=bob", "", "empty"},
		{"another parameter", query, "GET /?users=ann&xuser=ann&USER=ann", "", ""},
		{"no query", query, "GET /user=ann", "", ""},
		{"cookie", cookie, "GET /", "Cookie: xuser=b; user=ann;user=c\r\n", "ann"},
		{"cookie in the second field", cookie, "GET /", "Cookie: x=y\r\nCookie: user=a=b\r\n", "a=b"},
		{"peer", source, "GET /", "", "10.0.0.1"},
		{"client that the proxy names", source, "GET /", "X-Forwarded-For: 192.0.2.7\r\n", "192.0.2.7"},
		{"the same in another form", source, "GET /", "X-Forwarded-For: ::ffff:192.0.2.7\r\n", "192.0.2.7"},
	} {
		want := uint64(0)
		switch tt.want {
		case "":
		case "empty":
			want = cluster.Hash(nil)
		default:
			want = cluster.Hash([]byte(tt.want))
		}
		d, r := decide(hashing(t, tt.hash), request(t, tt.line, tt.fields), true)
		if r != nil || d.HashKey != want || d.cookies != nil {
			t.Errorf("%s: key %x, reply %v, cookie %v, want the key of %q", tt.name, d.HashKey, r, d.cookies, tt.want)
		}
	}
}

func TestHashKeyDoesNotAllocate(t *testing.T) {
	for _, h := range []config.Hash{
		{Header: "x-user"}, {Query: "user"}, {Cookie: config.Cookie{Name: "user"}}, {SourceIP: true},
	} {
		tb, w, d := hashing(t, h), new(Workspace), new(Decision)
		r := request(t, "GET /?a=b&user=ann",
			"X-User: ann\r\nCookie: a=b; user=ann\r\nX-Forwarded-For: 2001:db8::1\r\n")
		c := &Client{Listener: &Listener{Name: "web"}, IP: "10.0.0.1", Trusted: true}
		if n := testing.AllocsPerRun(100, func() { _ = tb.Decide(d, r, c, begun, w) }); n != 0 {
			t.Errorf("%v: %v allocations, want none", h, n)
		}
	}
}

// BenchmarkHashKey is a decision with the key of a field.
func BenchmarkHashKey(b *testing.B) {
	k := CompileHash(&config.Cluster{Balance: config.BalanceHash, Hash: config.Hash{Header: "x-user"}})
	r := request(b, "GET /", "User-Agent: test\r\nX-User: 0af7651916cd43dd8448eb211c80319c\r\n")
	d := new(Decision)
	b.ReportAllocs()
	for b.Loop() {
		k.of(r, nil, d)
	}
}
