//go:build !race

package proxy_test

import (
	"crypto/tls"
	"encoding/binary"
	"io"
	"math"
	"testing"

	"golang.org/x/net/http2"

	"github.com/fabian4/gateway-homebrew-go/internal/testcert"
	"github.com/fabian4/gateway-homebrew-go/proxy"
)

// bareFrame appends a frame by hand.
func bareFrame(dst []byte, kind http2.FrameType, flags http2.Flags, id uint32, payload string) []byte {
	dst = append(dst, byte(len(payload)>>16), byte(len(payload)>>8), byte(len(payload)), byte(kind), byte(flags))
	return append(binary.BigEndian.AppendUint32(dst, id), payload...)
}

const (
	endHeaders = http2.FlagHeadersEndHeaders
	endStream  = http2.FlagHeadersEndStream
)

// bareRead reads a frame into buf. It allocates nothing.
func bareRead(c io.Reader, buf []byte) (kind http2.FrameType, flags http2.Flags, id uint32, err error) {
	if _, err = io.ReadFull(c, buf[:9]); err != nil {
		return 0, 0, 0, err
	}
	n := int(buf[0])<<16 | int(buf[1])<<8 | int(buf[2])
	kind, flags, id = http2.FrameType(buf[3]), http2.Flags(buf[4]), binary.BigEndian.Uint32(buf[5:9])
	_, err = io.ReadFull(c, buf[:n])
	return kind, flags, id, err
}

// bareEndpoint2 answers each request of HTTP/2 with five bytes. It allocates nothing while it runs.
func bareEndpoint2(t testing.TB) string {
	return script(t, func(w *wire) {
		buf, out := make([]byte, 1<<16), make([]byte, 0, 256)
		if _, err := io.ReadFull(w.r, buf[:len(http2.ClientPreface)]); err != nil {
			return
		}
		out = bareFrame(out, http2.FrameSettings, 0, 0, "")
		for {
			if len(out) > 0 {
				if _, err := w.TCPConn.Write(out); err != nil {
					return
				}
				out = out[:0]
			}
			kind, flags, id, err := bareRead(w.r, buf)
			switch {
			case err != nil:
				return
			case kind == http2.FrameSettings && flags == 0:
				out = bareFrame(out, http2.FrameSettings, http2.FlagSettingsAck, 0, "")
			case kind == http2.FramePing && flags == 0:
				out = bareFrame(out, http2.FramePing, http2.FlagPingAck, 0, string(buf[:8]))
			case kind == http2.FrameHeaders:
				out = bareFrame(out, http2.FrameHeaders, endHeaders, id, "\x88\x0f\x0d\x015")
				out = bareFrame(out, http2.FrameData, endStream, id, "hello")
			}
		}
	})
}

// bareClient2 makes a function that sends a GET and reads its answer, on one connection.
func bareClient2(t testing.TB, g *gateway) func() {
	w := g.dial()
	buf, out, id := make([]byte, 1<<16), make([]byte, 0, 1024), uint32(1)
	w.send(http2.ClientPreface)
	out = bareFrame(out, http2.FrameSettings, 0, 0, "")
	out = bareFrame(out, http2.FrameWindowUpdate, 0, 0, "\x7f\x00\x00\x00") // for as many responses as there may be
	return func() {
		// GET, http, /, :authority a.example; literals that no table takes.
		out = bareFrame(out, http2.FrameHeaders, endHeaders|endStream, id,
			"\x82\x86\x84\x01\x09a.example\x0f\x04\x03*/*")
		if _, err := w.TCPConn.Write(out); err != nil {
			t.Fatal(err)
		}
		out = out[:0]
		for {
			kind, flags, got, err := bareRead(w.r, buf)
			switch {
			case err != nil:
				t.Fatal(err)
			case kind == http2.FrameSettings && flags == 0:
				out = bareFrame(out, http2.FrameSettings, http2.FlagSettingsAck, 0, "")
			case kind == http2.FrameRSTStream || kind == http2.FrameGoAway:
				t.Fatalf("frame %v", kind)
			case got == id && kind == http2.FrameHeaders && buf[0] != 0x88:
				t.Fatalf("not a 200: %x", buf[:8])
			case got == id && flags&endStream != 0:
				id += 2
				return
			}
		}
	}
}

// carrier is a way in which a request may be carried.
type carrier struct {
	name string
	// document has one route, with the options that route has; the gateway takes the others.
	document func(t testing.TB, route string) (string, []func(*proxy.Options))
	ask      func(t testing.TB, g *gateway) func()
	cost     float64 // allocations, of both streams
}

// start begins a gateway that carries requests in this way.
func (w *carrier) start(t testing.TB, route string, options ...func(*proxy.Options)) *gateway {
	t.Helper()
	document, own := w.document(t, route)
	return start(t, document, append(own, options...)...)
}

// carriers2 are those of HTTP/2.
var carriers2 = []carrier{
	{"h2 to h2", func(t testing.TB, route string) (string, []func(*proxy.Options)) {
		return clustered(route, "protocol: http2", bareEndpoint2(t)), nil
	}, bareClient2, 7},
	{"h2 to h1 inline", func(t testing.TB, route string) (string, []func(*proxy.Options)) {
		address, dial := promptEndpoint(t, ok("hello"))
		return routed(address, route), []func(*proxy.Options){dial}
	}, bareClient2, 4},
	// A response in chunks is not passed on inline.
	{"h2 to h1 inline, then by a worker", func(t testing.TB, route string) (string, []func(*proxy.Options)) {
		address, dial := promptEndpoint(t,
			"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
		return routed(address, route), []func(*proxy.Options){dial}
	}, bareClient2, 5},
	{"h2 to h1 by a worker", func(t testing.TB, route string) (string, []func(*proxy.Options)) {
		if route != "" {
			route += ", "
		}
		route += "retries: {on: [connect-failure], per_try_timeout: 1m}" // an attempt may have to be waited for
		return routed(plainEndpoint(t, ok("hello")), route), nil
	}, bareClient2, 4},
}

// A request of HTTP/2 allocates so often, both streams included, whether heads are edited or not.
func TestRequestOfHTTP2HardlyAllocates(t *testing.T) {
	for _, tt := range carriers2 {
		for name, edits := range map[string]string{"": "", " edited": editedHeads} {
			t.Run(tt.name+name, func(t *testing.T) {
				g := tt.start(t, edits, unswept)
				per := g.allocations(tt.ask(t, g))
				t.Logf("%.3f allocations a request", per)
				if math.Abs(per-tt.cost) > stray {
					t.Errorf("%.3f allocations a request, want %v", per, tt.cost)
				}
			})
		}
	}
}

// editedHeads are edits of a route, four of each head.
const editedHeads = `
  request_headers: {set: {x-a: "${remote_ip} ${host}", x-b: "${path}"}, add: {x-c: "${route}"}, remove: [accept]},
  response_headers: {set: {server: gateway, x-a: "${method} ${cluster}"}, add: {x-b: b}, remove: [x-c]}`

func BenchmarkRequestOfHTTP2(b *testing.B) {
	for _, tt := range carriers2 {
		b.Run(tt.name, func(b *testing.B) {
			ask := tt.ask(b, tt.start(b, ""))
			ask()
			b.ReportAllocs()
			for b.Loop() {
				ask()
			}
		})
	}
}

// A request of HTTP/1.1 over TLS allocates what crypto/tls does for as many records, and nothing else.
func TestRequestOverTLSAllocatesOnlyInTLS(t *testing.T) {
	ca := testcert.NewCA(t, "root")
	leaf := ca.Server(t, "a.example")
	cert, key := leaf.Write(t, t.TempDir(), "server")
	g := start(t, "listeners:\n- {name: web, address: \"127.0.0.1:0\", protocol: http, "+
		"tls: {certificates: [{cert_file: "+cert+", key_file: "+key+"}]}}\n"+
		to(plainEndpoint(t, ok("hello"))), unswept)
	config := &tls.Config{RootCAs: ca.Pool(), ServerName: "a.example"}
	request, buf := []byte(get("/")), make([]byte, len(ok("hello")))
	over := func(addr string, kept func() int) float64 {
		c, err := tls.Dial("tcp", addr, config)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return allocations(kept, func() { round(t, c, request, buf) })
	}
	bare := over(script(t, func(w *wire) {
		c := tls.Server(w.TCPConn, &tls.Config{Certificates: []tls.Certificate{leaf.TLS(t)}})
		in, out := make([]byte, 4096), []byte(ok("hello"))
		for {
			if _, err := c.Read(in); err != nil {
				return
			}
			if _, err := c.Write(out); err != nil {
				return
			}
		}
	}), func() int { return 0 })
	per := over(g.addr, g.kept)
	t.Logf("%.3f allocations a request, %.3f of them in crypto/tls", per, bare)
	if per > bare+stray {
		t.Errorf("%.3f allocations a request, crypto/tls alone makes %.3f", per, bare)
	}
}
