package http2

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/netio"
	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
)

// transport is Go's own client for h2c, or for h2 when conf is not nil.
func transport(t testing.TB, conf *tls.Config) *http.Transport {
	tr := &http.Transport{Protocols: new(http.Protocols), TLSClientConfig: conf.Clone()}
	tr.Protocols.SetUnencryptedHTTP2(conf == nil)
	tr.Protocols.SetHTTP2(conf != nil)
	t.Cleanup(tr.CloseIdleConnections)
	return tr
}

// upstream is net/http's server for h2c, which echoes bodies and trailers, and answers as the path says.
func upstream(t testing.TB) string {
	mux := http.NewServeMux()
	mux.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trailer", "X-Sum")
		w.Header().Set("X-Host", r.Host)
		for k, v := range r.Header {
			if k == "X-Big" {
				w.Header()[k] = v
			}
		}
		_ = http.NewResponseController(w).Flush()
		n, _ := io.Copy(w, r.Body)
		w.Header().Set("X-Sum", fmt.Sprint(n, r.Trailer.Get("X-End")))
	})
	mux.HandleFunc("/hints", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", "</a.css>")
		w.WriteHeader(http.StatusEarlyHints)
		w.WriteHeader(http.StatusOK)
	})
	mux.HandleFunc("/empty", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	mux.HandleFunc("/early", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusForbidden) })
	mux.HandleFunc("/abort", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(make([]byte, 1000))
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
	srv := httptest.NewUnstartedServer(mux)
	srv.Config.Protocols = new(http.Protocols)
	srv.Config.Protocols.SetUnencryptedHTTP2(true)
	srv.Start()
	t.Cleanup(srv.Close)
	return srv.Listener.Addr().String()
}

// exchangeBody posts n random bytes with a trailer and compares what comes back.
func exchangeBody(t testing.TB, rt http.RoundTripper, url string, n int, header int) error {
	t.Helper()
	body := make([]byte, n)
	for i := 0; i+8 <= n; i += 8 {
		x := rand.Uint64()
		for j := range 8 {
			body[i+j] = byte(x >> (8 * j))
		}
	}
	req, err := http.NewRequestWithContext(t.Context(), "POST", url, io.NopCloser(bytes.NewReader(body)))
	if err != nil {
		return err
	}
	req.ContentLength = -1
	big := strings.Repeat("x", header)
	if header > 0 {
		req.Header.Set("X-Big", big)
	}
	req.Trailer = http.Header{"X-End": {"!"}}
	resp, err := rt.RoundTrip(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		return fmt.Errorf("body after %d of %d bytes: %w", len(got), n, err)
	case !bytes.Equal(got, body):
		return fmt.Errorf("body of %d bytes came back as %d other bytes", n, len(got))
	case resp.Header.Get("X-Big") != big:
		return fmt.Errorf("header of %d bytes came back with %d", header, len(resp.Header.Get("X-Big")))
	}
	if sum := resp.Trailer.Get("X-Sum"); sum != "" && sum != fmt.Sprint(n, "!") {
		return fmt.Errorf("trailer X-Sum = %q, want %q", sum, fmt.Sprint(n, "!"))
	}
	if resp.Trailer.Get("X-Sum") == "" && resp.Trailer.Get("X-End") != "!" {
		return fmt.Errorf("trailers %v, want X-End or X-Sum", resp.Trailer)
	}
	return nil
}

// storm sends many requests of all sizes at once over several connections.
func storm(t *testing.T, url string, conf *tls.Config) {
	var all sync.WaitGroup
	for range 4 {
		tr := transport(t, conf)
		for range 8 {
			all.Go(func() {
				for _, n := range []int{0, 1, 100, 16 << 10, 70_000, 700_000} {
					if err := exchangeBody(t, tr, url, n, rand.IntN(2)*30_000); err != nil {
						t.Errorf("%d bytes: %v", n, err)
						return
					}
				}
			})
		}
	}
	all.Wait()
}

func TestServerWithGoClient(t *testing.T) {
	testserver.Goroutines(t)
	url := "http://" + serveOn(t, echo{}, Options{}) + "/echo"
	storm(t, url, nil)
}

// TestServerOverTLS has many records under way both ways, through a Cork.
func TestServerOverTLS(t *testing.T) {
	testserver.Goroutines(t)
	server, client := certificates(t)
	sw := newSweeper(t)
	addr := listen(t, func(nc net.Conn) {
		tc := tls.Server(netio.NewCork(nc), server)
		if err := tc.HandshakeContext(t.Context()); err != nil {
			t.Errorf("handshake: %v", err)
			return
		}
		_ = NewServer(netio.New(tc, sw, 5*time.Second), echo{}, Options{}).Serve(nil)
	})
	storm(t, "https://"+addr+"/echo", client)
}

func TestRelayWithGoBothSides(t *testing.T) {
	testserver.Goroutines(t)
	g := &gateway{t: t, sw: newSweeper(t), addr: upstream(t)}
	t.Cleanup(g.close)
	base := "http://" + serveOn(t, g, Options{})
	storm(t, base+"/echo", nil)

	tr := transport(t, nil)
	t.Run("interim heads", func(t *testing.T) {
		var hints []string
		ctx := httptrace.WithClientTrace(t.Context(),
			&httptrace.ClientTrace{Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
				hints = append(hints, fmt.Sprint(code, h.Get("Link")))
				return nil
			}})
		req, _ := http.NewRequestWithContext(ctx, "GET", base+"/hints", nil)
		resp, err := tr.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != 200 || len(hints) != 1 || hints[0] != "103</a.css>" {
			t.Errorf("status %d, hints %q", resp.StatusCode, hints)
		}
	})
	for _, row := range []struct {
		path, method string
		body         int
		status       int
		broken       bool
	}{
		{path: "/empty", method: "GET", status: 204},
		{path: "/empty", method: "HEAD", status: 204},
		{path: "/echo", method: "HEAD", status: 200},
		{path: "/nothing", method: "GET", status: 404},
		{path: "/early", method: "POST", body: 3_000_000, status: 403},
		{path: "/abort", method: "GET", status: 200, broken: true},
	} {
		t.Run(row.method+row.path, func(t *testing.T) {
			req, _ := http.NewRequestWithContext(t.Context(), row.method, base+row.path,
				bytes.NewReader(make([]byte, row.body)))
			resp, err := tr.RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			_, err = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
			if resp.StatusCode != row.status || (err != nil) != row.broken {
				t.Errorf("status %d, body error %v, want %d, broken %v", resp.StatusCode, err, row.status, row.broken)
			}
		})
	}
}
