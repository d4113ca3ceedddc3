package proxy_test

import (
	"bufio"
	"crypto/tls"
	"net"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/internal/testcert"
)

// segment is a connection whose writes are gathered, once it is told to, and go out together.
type segment struct {
	net.Conn
	gather bool
	b      []byte
}

func (s *segment) Write(p []byte) (int, error) {
	if !s.gather {
		return s.Conn.Write(p)
	}
	s.b = append(s.b, p...)
	return len(p), nil
}

// send sends the first n bytes.
func (s *segment) send(n int) {
	_, _ = s.Conn.Write(s.b[:n]) // a gateway that has closed needs nothing
	s.b = s.b[n:]
}

// An endpoint that sends a response that nobody asked for, behind one that was: nobody gets it. Under TLS it may have
// come in with the answer, and lie where no look at the socket shows it.
func TestUnaskedResponse(t *testing.T) {
	ca := testcert.NewCA(t, "unasked")
	pair := ca.Server(t, "127.0.0.1")
	roots := filepath.Join(t.TempDir(), "ca.pem")
	testcert.Replace(t, roots, ca.PEM())
	answer := func(body string) string {
		return "HTTP/1.1 200 OK\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body
	}
	for name, tt := range map[string]struct {
		writes []string
		late   bool // what is left of the last write comes only when the next request has
		early  int  // bytes of it that do not
	}{
		"in the same record":  {[]string{answer("asked") + answer("unasked")}, false, 0},
		"in the same segment": {[]string{answer("asked"), answer("unasked")}, false, 0},
		"in a split record":   {[]string{answer("asked"), answer("unasked")}, true, 30},
		"in a split header":   {[]string{answer("asked"), answer("unasked")}, true, 2},
	} {
		for protocol, version := range map[string]uint16{"clear": 0, "TLS 1.2": tls.VersionTLS12,
			"TLS 1.3": tls.VersionTLS13} {
			t.Run(name+", "+protocol, func(t *testing.T) {
				app := script(t, func(w *wire) {
					under := &segment{Conn: w.TCPConn}
					nc := net.Conn(under)
					if version != 0 {
						tc := tls.Server(under, &tls.Config{
							Certificates: []tls.Certificate{pair.TLS(t)}, MaxVersion: version,
						})
						if tc.Handshake() != nil {
							return
						}
						nc = tc
					}
					r := bufio.NewReader(nc)
					if _, err := readHead(r); err != nil {
						return
					}
					under.gather = true
					ends := 0
					for _, text := range tt.writes {
						ends = len(under.b)
						_, _ = nc.Write([]byte(text)) // it is gathered
					}
					if tt.late {
						under.send(ends + tt.early)
					} else {
						under.send(len(under.b))
					}
					if _, err := readHead(r); err == nil {
						t.Error("the connection was used again")
						under.send(len(under.b))
					}
				})
				options := ""
				if version != 0 {
					options = "tls: {mode: tls, ca_file: " + roots + "}"
				}
				g := start(t, clustered("", options, app))
				for range 3 {
					if res, body := g.ask(get("/")); res.StatusCode != 200 || body != "asked" {
						t.Fatalf("the client got %d %q", res.StatusCode, body)
					}
				}
			})
		}
	}
}
