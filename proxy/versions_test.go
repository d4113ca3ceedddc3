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
	"strings"
	"testing"
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
func eachVersion(t *testing.T, h http.HandlerFunc, f func(t *testing.T, g *gateway, c *http.Client, url string)) {
	for _, down2 := range []bool{false, true} {
		for _, up2 := range []bool{false, true} {
			name := map[bool]string{false: "h1", true: "h2"}
			t.Run(name[down2]+" to "+name[up2], func(t *testing.T) {
				protocol := map[bool]string{false: "http1", true: "http2"}[up2]
				g := start(t, strings.Replace(to(versionBackend(t, up2, h)), "{name: app,", "{name: app, protocol: "+protocol+",", 1))
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
