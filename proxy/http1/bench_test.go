package http1

import (
	"errors"
	"io"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/internal/netio"
	"github.com/fabian4/gateway-homebrew-go/proxy/message"
)

const (
	wrkHead     = "GET / HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n"
	browserHead = "GET /static/app/main.3f2a91.js?v=20260817 HTTP/1.1\r\n" +
		"Host: www.example.com\r\n" +
		"Connection: keep-alive\r\n" +
		"sec-ch-ua: \"Chromium\";v=\"140\", \"Not=A?Brand\";v=\"24\", \"Google Chrome\";v=\"140\"\r\n" +
		"sec-ch-ua-mobile: ?0\r\n" +
		"sec-ch-ua-platform: \"Linux\"\r\n" +
		"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 " +
		"Safari/537.36\r\n" +
		"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8\r\n" +
		"Sec-Fetch-Site: same-origin\r\n" +
		"Sec-Fetch-Mode: no-cors\r\n" +
		"Accept-Encoding: gzip, deflate, br, zstd\r\n" +
		"Accept-Language: en-GB,en;q=0.9,de;q=0.8\r\n" +
		"Cookie: session=0123456789abcdef0123456789abcdef; theme=dark; consent=eyJhIjoxLCJiIjoyfQ\r\n" +
		"\r\n"
	nginxHead = "HTTP/1.1 200 OK\r\n" +
		"Server: nginx/1.22.1\r\n" +
		"Date: Mon, 17 Aug 2026 12:00:00 GMT\r\n" +
		"Content-Type: application/octet-stream\r\n" +
		"Content-Length: 130\r\n" +
		"Connection: keep-alive\r\n" +
		"\r\n"
)

// BenchmarkParseRequest is what the engine does with a head that has come whole: find its end and parse it.
func BenchmarkParseRequest(b *testing.B) {
	for _, row := range []struct{ name, head string }{{"wrk", wrkHead}, {"browser", browserHead}} {
		b.Run(row.name, func(b *testing.B) {
			in, lim := []byte(row.head), DefaultLimits()
			var h message.Head
			b.ReportAllocs()
			b.SetBytes(int64(len(in)))
			for b.Loop() {
				scanned := 0
				n, err := headEnd(in, &scanned)
				if err == nil {
					err = ParseRequest(in[:n], &h, &lim)
				}
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkParseResponse(b *testing.B) {
	in, lim := []byte(nginxHead), DefaultLimits()
	var h message.Head
	b.ReportAllocs()
	b.SetBytes(int64(len(in)))
	for b.Loop() {
		scanned := 0
		n, err := headEnd(in, &scanned)
		if err == nil {
			err = ParseResponse(in[:n], &h, &lim, false)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkChunkedBody is a chunked body of 64 KiB read piece by piece, in chunks of these sizes.
func BenchmarkChunkedBody(b *testing.B) {
	for _, row := range []struct {
		name  string
		chunk int
	}{{"16", 16}, {"1KiB", 1 << 10}, {"32KiB", 32 << 10}} {
		b.Run(row.name, func(b *testing.B) {
			var in []byte
			for n := 0; n < netio.BulkSize; n += row.chunk {
				in = appendChunk(in, make([]byte, row.chunk))
			}
			in = append(in, "0\r\n\r\n"...)
			buf := &netio.Buffer{B: in}
			r := NewReader(netio.New(&script{}, netio.NewSweeper(), 0), DefaultLimits(), nil, 0)
			var body Body
			b.ReportAllocs()
			b.SetBytes(netio.BulkSize)
			for b.Loop() {
				r.cur, r.r, r.w = buf, 0, len(in)
				r.Body(&body, &chunkedHead)
				n := 0
				for {
					p, err := body.Next()
					if errors.Is(err, io.EOF) {
						break
					}
					if err != nil {
						b.Fatal(err)
					}
					n += len(p)
				}
				if n != netio.BulkSize {
					b.Fatalf("%d bytes", n)
				}
				r.cur = nil
			}
		})
	}
}
