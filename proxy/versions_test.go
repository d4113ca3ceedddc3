package proxy_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
	"github.com/fabian4/gateway-homebrew-go/proxy"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// versionBackend runs an HTTP server of Go's own that speaks HTTP/1.1 or, by prior knowledge, HTTP/2.
func versionBackend(t testing.TB, h2 bool, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	if h2 {
		s.Config.Protocols = new(http.Protocols)
		s.Config.Protocols.SetUnencryptedHTTP2(true)
	}
	s.Start()
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}

// versionClient is an HTTP client of Go's own that speaks HTTP/1.1 or, by prior knowledge, HTTP/2.
func versionClient(t testing.TB, h2 bool) *http.Client {
	t.Helper()
	tr := &http.Transport{Protocols: new(http.Protocols)}
	if h2 {
		tr.Protocols.SetUnencryptedHTTP2(true)
	} else {
		tr.Protocols.SetHTTP1(true)
	}
	tr.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, addr)
	}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

// eachVersion runs f for the four pairs of versions towards client and endpoint.
func eachVersion(t *testing.T, h http.HandlerFunc, f func(t *testing.T, g *gateway, c *http.Client, url string),
	options ...func(*proxy.Options),
) {
	t.Helper()
	eachVersionOf(t, "", h, f, options...)
}

// eachVersionOf is eachVersion with routes to the cluster app; empty: one for everything.
func eachVersionOf(t *testing.T, routes string, h http.HandlerFunc,
	f func(t *testing.T, g *gateway, c *http.Client, url string), options ...func(*proxy.Options),
) {
	t.Helper()
	for _, down2 := range []bool{false, true} {
		for _, up2 := range []bool{false, true} {
			name := map[bool]string{false: "h1", true: "h2"}
			t.Run(name[down2]+" to "+name[up2], func(t *testing.T) {
				protocol := map[bool]string{false: "http1", true: "http2"}[up2]
				address := versionBackend(t, up2, h)
				doc := to(address)
				if routes != "" {
					doc = routes + "clusters: [{name: app, endpoints: [\"" + address + "\"]}]\n"
				}
				const cluster = "{name: app, "
				g := start(t, strings.Replace(doc, cluster+"endpoints", cluster+"protocol: "+protocol+", endpoints", 1),
					options...)
				f(t, g, versionClient(t, down2), "http://"+g.addr)
			})
		}
	}
}

func TestVersions(t *testing.T) {
	big := bytes.Repeat([]byte("0123456789abcdef"), 1<<18) // 4 MiB
	handler := func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor == 1 {
			_ = http.NewResponseController(w).EnableFullDuplex()
		}
		w.Header().Set("Trailer", "X-Sum")
		sum := sha256.New()
		n, err := io.Copy(io.MultiWriter(w, sum), r.Body)
		if err != nil {
			t.Errorf("backend after %d bytes: %v", n, err)
		}
		w.Header().Set("X-Sum", fmt.Sprintf("%x %s", sum.Sum(nil), r.Trailer.Get("X-Up")))
	}
	eachVersion(t, handler, func(t *testing.T, _ *gateway, c *http.Client, url string) {
		for _, size := range []int{0, 5, 20000, len(big)} {
			body := big[:size]
			req, err := http.NewRequest("POST", url+"/echo?x=y", io.NopCloser(bytes.NewReader(body)))
			if err != nil {
				t.Fatal(err)
			}
			req.Trailer = http.Header{"X-Up": {"up"}}
			res, err := c.Do(req)
			if err != nil {
				t.Fatalf("%d bytes: %v", size, err)
			}
			got, err := io.ReadAll(res.Body)
			res.Body.Close()
			if err != nil || !bytes.Equal(got, body) {
				t.Fatalf("%d bytes: got %d back, %v", size, len(got), err)
			}
			if want := fmt.Sprintf("%x up", sha256.Sum256(body)); size > 0 && res.Trailer.Get("X-Sum") != want {
				t.Errorf("%d bytes: trailer %q, want %q: %v", size, res.Trailer.Get("X-Sum"), want, res)
			}
		}
	})
}

// An endpoint that answers before the request is through is heard; the connection or stream to the client ends in
// good order.
func TestVersionsEarlyAnswer(t *testing.T) {
	handler := func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/early" {
			w.Header().Set("Connection", "close")
			w.WriteHeader(http.StatusRequestEntityTooLarge)
			_, _ = io.WriteString(w, "too much")
			return
		}
		_, _ = io.Copy(io.Discard, r.Body)
	}
	eachVersion(t, handler, func(t *testing.T, _ *gateway, c *http.Client, url string) {
		body, w := io.Pipe() // never ends by itself
		defer w.Close()
		go func() { _, _ = w.Write(make([]byte, 4096)) }() // ends with the pipe
		req, err := http.NewRequest("POST", url+"/early", body)
		if err != nil {
			t.Fatal(err)
		}
		res, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(res.Body)
		res.Body.Close()
		if res.StatusCode != 413 || err != nil || string(got) != "too much" {
			t.Errorf("answer = %d %q, %v", res.StatusCode, got, err)
		}
		w.Close()
		res, err = c.Get(url + "/next")
		if err != nil || res.StatusCode != 200 {
			t.Fatalf("next: %v, %v", res, err)
		}
		res.Body.Close()
	})
}

// A client that goes away ends the request of the endpoint, in the body and in the answer.
func TestVersionsClientGoesAway(t *testing.T) {
	gone := make(chan error, 1)
	begun := make(chan struct{}, 1)
	handler := func(w http.ResponseWriter, r *http.Request) {
		if r.Method == "POST" {
			_, _ = io.ReadFull(r.Body, make([]byte, 4))
			begun <- struct{}{}
			_, err := io.Copy(io.Discard, r.Body)
			gone <- err
			return
		}
		_, _ = io.WriteString(w, "half")
		_ = http.NewResponseController(w).Flush()
		// Over HTTP/1.1 the end of the client's side may be a half-close; that it is gone shows when more is written.
		for piece := make([]byte, 4096); ; {
			if _, err := w.Write(piece); err != nil {
				gone <- err
				return
			}
		}
	}
	eachVersion(t, handler, func(t *testing.T, g *gateway, c *http.Client, url string) {
		over := func() {
			t.Helper()
			select {
			case err := <-gone:
				if err == nil {
					t.Error("the endpoint got a whole request")
				}
			case <-time.After(patience):
				t.Fatal("the endpoint was not told")
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		body, w := io.Pipe()
		defer w.Close()
		req, err := http.NewRequestWithContext(ctx, "POST", url, body)
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan struct{})
		go func() { // ends by the cancel
			defer close(done)
			if res, err := c.Do(req); err == nil {
				res.Body.Close()
			}
		}()
		_, _ = w.Write([]byte("some"))
		<-begun
		cancel()
		over()
		w.Close() // Go's client of HTTP/1.1 waits for its own body
		<-done

		ctx, cancel = context.WithCancel(t.Context())
		defer cancel()
		req, err = http.NewRequestWithContext(ctx, "GET", url, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if _, err := io.ReadFull(res.Body, make([]byte, 4)); err != nil {
			t.Fatal(err)
		}
		cancel()
		over()
		g.counted(telemetry.DC, 2)
	})
}

// An answer that breaks off is no whole answer to the client, whatever the versions and however it is framed.
func TestVersionsEndpointBreaksOff(t *testing.T) {
	handler := func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/sized" {
			w.Header().Set("Content-Length", "100")
		}
		_, _ = io.WriteString(w, "half")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
	eachVersion(t, handler, func(t *testing.T, g *gateway, c *http.Client, url string) {
		for i, path := range []string{"/sized", "/unsized"} {
			res, err := c.Get(url + path)
			if err == nil { // the head may be lost with the rest
				var got []byte
				got, err = io.ReadAll(res.Body)
				res.Body.Close()
				if err == nil {
					t.Errorf("%s: a whole answer of %q", path, got)
				}
			}
			g.counted(telemetry.UC, int64(i+1))
		}
	})
}

// What has no body has none, and its fields are kept.
func TestVersionsWithoutBody(t *testing.T) {
	handler := func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/head":
			w.Header().Set("Content-Length", "1234")
		case "/sized":
			w.Header().Set("Content-Length", "5")
			_, _ = io.WriteString(w, "hello")
		case "/hints":
			w.Header().Set("Link", "</x>")
			w.WriteHeader(http.StatusEarlyHints)
			w.WriteHeader(http.StatusNoContent)
		case "/host":
			w.Header().Set("X-Seen", fmt.Sprintf("%s %q %s", r.Host, r.Header["Cookie"], r.Header.Get("Te")))
		case "/304":
			w.Header().Set("Etag", `"x"`)
			w.WriteHeader(http.StatusNotModified)
		}
	}
	eachVersion(t, handler, func(t *testing.T, _ *gateway, c *http.Client, url string) {
		for _, tt := range []struct {
			method, path, body string
			status             int
			length             int64
			field, value       string
		}{
			{"HEAD", "/head", "", 200, 1234, "Content-Length", "1234"},
			{"GET", "/sized", "hello", 200, 5, "Content-Length", "5"},
			{"GET", "/hints", "", 204, 0, "Link", "</x>"},
			{"GET", "/304", "", 304, 0, "Etag", `"x"`},
			{"GET", "/host", "", 200, 0, "X-Seen", `b.example ["a=1; b=2"] trailers`},
		} {
			informed := 0
			ctx := httptrace.WithClientTrace(t.Context(),
				&httptrace.ClientTrace{Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
					informed = code
					return nil
				}})
			req, err := http.NewRequestWithContext(ctx, tt.method, url+tt.path, nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Host = "b.example"
			req.Header.Set("Cookie", "a=1; b=2") // over HTTP/2 it goes in two fields
			req.Header.Set("Te", "trailers")
			res, err := c.Do(req)
			if err != nil {
				t.Fatalf("%s: %v", tt.path, err)
			}
			got, err := io.ReadAll(res.Body)
			res.Body.Close()
			if err != nil || res.StatusCode != tt.status || string(got) != tt.body ||
				res.Header.Get(tt.field) != tt.value {
				t.Errorf("%s: %d %q %v, %v", tt.path, res.StatusCode, got, res.Header, err)
			}
			if tt.length > 0 && res.ContentLength != tt.length {
				t.Errorf("%s: length %d, want %d", tt.path, res.ContentLength, tt.length)
			}
			if want := map[string]int{"/hints": 103}[tt.path]; informed != want {
				t.Errorf("%s: informed of %d, want %d", tt.path, informed, want)
			}
		}
	})
}

// A client that does not read stops the endpoint, in every pair of versions. What the endpoint can write is bounded by
// windows and socket buffers, not by the size of the response.
func TestVersionsSlowReader(t *testing.T) {
	const size = 256 << 20
	var written atomic.Int64
	over := make(chan struct{}, 1)
	handler := func(w http.ResponseWriter, r *http.Request) {
		defer func() { over <- struct{}{} }()
		piece := make([]byte, 64<<10)
		for written.Store(0); written.Load() < size; written.Add(int64(len(piece))) {
			if _, err := w.Write(piece); err != nil {
				return
			}
		}
	}
	eachVersion(t, handler, func(t *testing.T, _ *gateway, c *http.Client, url string) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, "GET", url, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		last, still := int64(-1), 0
		testserver.WaitFor(t, patience, "the endpoint to be stopped", func() bool {
			if n := written.Load(); n != last {
				last, still = n, 0
			} else {
				still++
			}
			return still > 20
		})
		t.Logf("the endpoint wrote %d KiB", last>>10)
		if last > size/4 {
			t.Errorf("the endpoint wrote %d of %d bytes that nobody read", last, size)
		}
		cancel()
		<-over
	})
}
