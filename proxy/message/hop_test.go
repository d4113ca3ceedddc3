package message

import (
	"strings"
	"testing"
)

func TestMarkHop(t *testing.T) {
	tests := []struct {
		lines []string
		ok    bool
		hop   string // the names that are marked, or all that is kept
	}{
		{[]string{"Host: a", "X-A: 1"}, true, ""},
		{[]string{"Connection: close", "X-A: 1"}, true, ""},
		{[]string{"Connection:", "X-A: 1"}, true, ""},
		{[]string{"Connection: , ,", "X-A: 1"}, true, ""},
		{[]string{"Connection: x-a", "X-A: 1", "X-B: 2", "x-A: 3"}, true, "X-A x-A"},
		{[]string{"X-A: 1", "Connection: keep-alive, X-a ,\tx-B", "X-B: 2"}, true, "X-A X-B"},
		{[]string{"Connection: x-a", "X-A: 1", "X-B: 2", "connection: x-b"}, true, "X-A X-B"},
		{[]string{"Connection: Cookie, keep-alive", "Cookie: 1", "Keep-Alive: 5", "cookie: 2"}, true,
			"Cookie Keep-Alive cookie"},
		{[]string{"Connection: upgrade, connection", "Upgrade: websocket"}, true, "Connection Upgrade"},
		{[]string{"Connection: x-missing, date", "X-A: 1"}, true, ""},
		{[]string{"Connection: host", "Host: a"}, false, ""},
		{[]string{"Connection: close, Content-Length"}, false, ""},
		{[]string{"Connection: close", "Connection: HOST"}, false, ""},
		{[]string{"Connection: a b"}, false, ""},
		{[]string{"Connection: \"x-a\"", "X-A: 1"}, false, ""},
		{[]string{"Connection: close;q=1"}, false, ""},
		{[]string{"Connection: x-a\xff"}, false, ""},
		{[]string{"Connection: " + strings.Repeat("a,", maxOptions)}, true, ""},
		{[]string{"Connection: " + strings.Repeat("a,", maxOptions) + "b"}, false, ""},
		{[]string{"Connection: " + strings.Repeat("a,", maxOptions), "Connection: b"}, false, ""},
	}
	for _, tt := range tests {
		h := headOf(t, tt.lines...)
		ok := h.MarkHop()
		var hop []string
		for i := range h.Fields {
			if f := &h.Fields[i]; f.Hop {
				hop = append(hop, string(h.Name(f)))
			}
		}
		if ok != tt.ok || ok && strings.Join(hop, " ") != tt.hop {
			t.Errorf("%.80q: MarkHop = %v, marked %q; want %v, %q", tt.lines, ok, hop, tt.ok, tt.hop)
		}
	}
}

func TestHopByHop(t *testing.T) {
	for id := range idCount {
		var connection, hop bool
		switch id {
		case Connection, KeepAlive, ProxyConnection, TransferEncoding, Upgrade:
			connection, hop = true, true
		case TE, HTTP2Settings, ProxyAuthenticate, ProxyAuthorization:
			hop = true
		}
		if ConnectionFields.Has(id) != connection || HopByHop.Has(id) != hop {
			t.Errorf("%q: %v, %v; want %v, %v", id.Name(), ConnectionFields.Has(id), HopByHop.Has(id), connection, hop)
		}
	}
}
