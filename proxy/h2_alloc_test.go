//go:build !race

package proxy_test

import (
	"crypto/tls"
	"encoding/binary"
	"io"
	"math"
	"net"
	"runtime"
	"runtime/debug"
	"testing"

	"golang.org/x/net/http2"

	"github.com/fabian4/gateway-homebrew-go/internal/testcert"
)

// allocations is how many one call of f makes, in the whole process, once everything is warm: the least of several
// rounds, since what a call itself makes is in each.
func allocations(f func()) float64 {
	for range 500 {
		f()
	}
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // a collection empties the pools
	const n = 250
	least := math.Inf(1)
	for range 8 { // where the machine is busy, some of them are carried in another way
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range n {
			f()
		}
		runtime.ReadMemStats(&after)
		least = min(least, float64(after.Mallocs-before.Mallocs)/n)
	}
	return least
}

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

// pairs2 are the endpoints that a request of HTTP/2 may go to, with what it may cost.
var pairs2 = []struct {
	name, cluster string
	endpoint      func(t testing.TB) string
	most          float64
}{
	{"h2 to h2", "protocol: http2", bareEndpoint2, 7.5},
	{"h2 to h1", "", func(t testing.TB) string { return plainEndpoint(t, ok("hello")) }, 5.5},
}

// A request of HTTP/2 allocates a bounded number of times, both streams included, whether heads are edited or not.
func TestRequestOfHTTP2HardlyAllocates(t *testing.T) {
	for _, tt := range pairs2 {
		for name, edits := range map[string]string{"": "", " edited": editedHeads} {
			t.Run(tt.name+name, func(t *testing.T) {
				g := start(t, clustered(edits, tt.cluster, tt.endpoint(t)))
				per := allocations(bareClient2(t, g))
				t.Logf("%.2f allocations a request", per)
				if per > tt.most {
					t.Errorf("%.2f allocations a request, want at most %v", per, tt.most)
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
	for _, tt := range pairs2 {
		b.Run(tt.name, func(b *testing.B) {
			g := start(b, clustered("", tt.cluster, tt.endpoint(b)))
			ask := bareClient2(b, g)
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
	g := start(t, "listeners:\n- {name: web, address: \"127.0.0.1:0\", protocol: http, tls: {certificates: [{cert_file: "+cert+", key_file: "+key+"}]}}\n"+
		to(plainEndpoint(t, ok("hello"))))
	config := &tls.Config{RootCAs: ca.Pool(), ServerName: "a.example"}
	request, buf := []byte(get("/")), make([]byte, len(ok("hello")))
	over := func(addr string) float64 {
		c, err := tls.Dial("tcp", addr, config)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return allocations(func() { round(t, net.Conn(c), request, buf) })
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
	}))
	per := over(g.addr)
	t.Logf("%.2f allocations a request, %.2f of them in crypto/tls", per, bare)
	if per > bare+0.05 {
		t.Errorf("%.2f allocations a request, crypto/tls alone makes %.2f", per, bare)
	}
}
