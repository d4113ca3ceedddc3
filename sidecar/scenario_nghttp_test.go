package sidecar_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/internal/testcert"
	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
)

// echoApp is a backend of both versions, in the clear. It answers with what it is sent, for the path /big behind
// something big. A trailer tells the sum of both and the client's own trailer.
func echoApp(t testing.TB, big []byte) (address string) {
	t.Helper()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor == 1 {
			_ = http.NewResponseController(w).EnableFullDuplex() // the server of net/http can
		}
		w.Header().Set("Trailer", "X-Sum")
		sum := sha256.New()
		both := io.MultiWriter(w, sum)
		if strings.HasSuffix(r.URL.Path, "/big") {
			_, _ = both.Write(big)
		}
		_, _ = io.Copy(both, r.Body)
		_ = http.NewResponseController(w).Flush() // what is set now is a trailer, also behind an empty body
		w.Header().Set("X-Sum", fmt.Sprintf("%x,%s,%s", sum.Sum(nil), r.Method, r.Trailer.Get("X-Up")))
	}))
	s.Config.Protocols = new(http.Protocols)
	s.Config.Protocols.SetHTTP1(true)
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	s.Start()
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

var (
	nghttpStatus = regexp.MustCompile(`recv \(stream_id=\d+\) :status: (\d+)\n`)
	nghttpData   = regexp.MustCompile(`recv DATA frame <length=(\d+), `)
	nghttpSum    = regexp.MustCompile(`recv \(stream_id=\d+\) x-sum: (\S+)\n`)
	nghttpFault  = regexp.MustCompile(`recv RST_STREAM|recv GOAWAY|\[ERROR\]|\[INVALID|not processed|[A-Z]+_ERROR\(`)
)

// What nghttp sends arrives whole, comes back whole, and in an order that it does not choose. It is compared frame by
// frame, for all that it can do to a request, encrypted and in the clear, to endpoints of both versions.
func TestNghttp(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	big := bytes.Repeat([]byte("0123456789abcdef"), 1<<14)
	upload, file := bytes.Repeat([]byte("upload\n"), 30_000), filepath.Join(dir, "upload")
	write(t, file, string(upload))
	cert, key := testcert.NewCA(t, "root").Server(t, "gateway.test").Write(t, dir, "web")
	path, address, endpoint := filepath.Join(dir, "gateway.yaml"), testserver.Addr(t), echoApp(t, big)
	write(t, path, fmt.Sprintf(`
listeners: [{name: web, address: %q, tls: {certificates: [{cert_file: %q, key_file: %q}]}}]
routes: [{name: h1, match: {path_prefix: /h1}, cluster: h1}, {name: h2, match: {path_prefix: /h2}, cluster: h2}]
clusters: [{name: h1, endpoints: [%q]}, {name: h2, protocol: http2, endpoints: [%q]}]
`, address, cert, key, endpoint, endpoint))
	g := serve(t, env{"GATEWAY_CONFIG": path})
	for _, tt := range []struct {
		name, path string
		args       []string
		statuses   string
		body       []byte // of each answer
		says       string // method and trailer, as the endpoint saw them
		times      int
	}{
		{"get", "/big", nil, "200", big, "GET,", 1},
		{"get with a body", "/big", []string{"-d", file, "-H", ":method: GET"}, "200",
			append(bytes.Clone(big), upload...), "GET,", 1},
		{"upload", "", []string{"-d", file}, "200", upload, "POST,", 1},
		// With a length, HTTP/1.1 has no place for a trailer.
		{"upload with a trailer", "", []string{"-d", file, "--no-content-length", "--trailer", "x-up: yes"}, "200",
			upload, "POST,yes", 1},
		{"upload when told to go on", "", []string{"-d", file, "--expect-continue"}, "100 200", upload, "POST,", 1},
		{"small windows", "/big", []string{"-w10", "-W16"}, "200", big, "GET,", 1},
		{"padded", "", []string{"-d", file, "-b255"}, "200", upload, "POST,", 1},
		{"head of several frames", "", []string{"--continuation"}, "200", nil, "GET,", 1},
		{"tables of changing size", "", []string{"-c4096", "-c0", "-c1024", "--encoder-header-table-size=0"}, "200",
			nil, "GET,", 1},
		{"many at a time", "/big", []string{"-m20"}, strings.TrimSpace(strings.Repeat("200 ", 20)), big, "GET,", 20},
	} {
		for _, base := range []string{"https://" + address, g.url} {
			for _, to := range []string{"/h1", "/h2"} {
				t.Run(strings.Join([]string{tt.name, base[:strings.IndexByte(base, ':')], to[1:]}, " "),
					func(t *testing.T) {
						args := append([]string{"-y", "-t20"}, tt.args...)
						url := base + to + tt.path
						if tt.times == 1 {
							if got := run(t, "nghttp", append(args, url)...); got != string(tt.body) {
								t.Errorf("%d bytes of body, want %d", len(got), len(tt.body))
							}
						}
						out := run(t, "nghttp", append(args, "-nv", url)...)
						var statuses []string
						for _, m := range nghttpStatus.FindAllStringSubmatch(out, -1) {
							statuses = append(statuses, m[1])
						}
						length := 0
						for _, m := range nghttpData.FindAllStringSubmatch(out, -1) {
							n, err := strconv.Atoi(m[1])
							if err != nil {
								t.Fatal(err)
							}
							length += n
						}
						sums := nghttpSum.FindAllStringSubmatch(out, -1)
						want := fmt.Sprintf("%x,%s", sha256.Sum256(tt.body), tt.says)
						if got := strings.Join(statuses, " "); got != tt.statuses || length != tt.times*len(tt.body) ||
							len(sums) != tt.times {
							t.Errorf("statuses %s, %d bytes, %d trailers; want %s, %d bytes, %d trailers", got, length,
								len(sums), tt.statuses, tt.times*len(tt.body), tt.times)
						}
						for _, m := range sums {
							if m[1] != want {
								t.Errorf("trailer %q, want %q", m[1], want)
							}
						}
						if faults := nghttpFault.FindAllString(strings.ReplaceAll(out, "NO_ERROR", "ok"),
							-1); faults != nil {
							t.Errorf("nghttp speaks of %q", faults)
						}
					})
			}
		}
	}
}
