package sidecar_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// curlApp is a backend of both versions, in the clear, with the answers that curl has a way to ask for.
func curlApp(t testing.TB, text, zipped string) (address string) {
	t.Helper()
	app := http.NewServeMux()
	app.HandleFunc("/text", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Etag", `"x"`)
		http.ServeContent(w, r, "text.txt", time.Time{}, strings.NewReader(text))
	})
	app.HandleFunc("/204", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	app.HandleFunc("/pieces", func(w http.ResponseWriter, _ *http.Request) {
		for _, piece := range []string{text[:1], text[1:]} {
			_, _ = io.WriteString(w, piece)
			_ = http.NewResponseController(w).Flush()
		}
	})
	app.HandleFunc("/zipped", func(w http.ResponseWriter, r *http.Request) {
		if !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			_, _ = io.WriteString(w, "plain")
			return
		}
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = io.WriteString(w, zipped)
	})
	app.HandleFunc("/upload", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %d %v %v", r.Method, len(body), string(body) == text, err)
	})
	app.HandleFunc("/refused", func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "no",
			http.StatusForbidden)
	})
	s := httptest.NewUnstartedServer(app)
	s.Config.Protocols = new(http.Protocols)
	s.Config.Protocols.SetHTTP1(true)
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	s.Start()
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// What curl reports of requests and answers of every shape; twice each, and the second time on the connection of the
// first.
func TestCurlReports(t *testing.T) {
	t.Parallel()
	text := strings.Repeat("what is told twice is told once. ", 6000)
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	if _, err := io.WriteString(z, text); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	listeners, secure := encrypted(t)
	dir, endpoint := t.TempDir(), curlApp(t, text, zipped.String())
	path, file, head := filepath.Join(dir, "gateway.yaml"), filepath.Join(dir, "file"), filepath.Join(dir, "head")
	write(t, file, text)
	write(t, path, fmt.Sprintf(`%s
routes: [{name: h1, match: {path_prefix: /h1}, prefix_rewrite: /, cluster: h1}, {name: h2, match: {path_prefix: /h2}, prefix_rewrite: /, cluster: h2}]
clusters: [{name: h1, endpoints: [%q]}, {name: h2, protocol: http2, endpoints: [%q]}]
`, listeners, endpoint, endpoint))
	g := serve(t, env{"GATEWAY_CONFIG": path})
	size := len(text)
	for _, tt := range []struct {
		name, path string
		args       string
		body       string
		code       int
		up         int    // bytes of the request's body; -1: curl counts its framing too
		head       string // a part of the answer's heads
	}{
		{"get", "/text", "", text, 200, 0, fmt.Sprintf("\r\ncontent-length: %d\r\n", size)},
		{"head", "/text", "-I -o /dev/null", "", 200, 0, fmt.Sprintf("\r\ncontent-length: %d\r\n", size)},
		{"range", "/text", "-r 5-6", "is", 206, 0, "\r\ncontent-range: bytes 5-6/"},
		{"204", "/204", "", "", 204, 0, ""},
		{"304", "/text", `-H If-None-Match:"x"`, "", 304, 0, "\r\netag: \"x\"\r\n"},
		{"chunked", "/pieces", "", text, 200, 0, ""},
		{"compressed", "/zipped", "--compressed", text, 200, 0, "\r\ncontent-encoding: gzip\r\n"},
		{"not compressed", "/zipped", "", "plain", 200, 0, ""},
		{"upload", "/upload", "-H Expect: -T " + file, fmt.Sprintf("PUT %d true <nil>", size), 200, size, ""},
		{"upload when told to go on", "/upload", "-H Expect:100-continue --expect100-timeout 15 -T " + file,
			fmt.Sprintf("PUT %d true <nil>", size), 200, size, " 100"},
		{"chunked upload", "/upload", "-H Expect: -H Transfer-Encoding:chunked -T " + file,
			fmt.Sprintf("PUT %d true <nil>", size), 200, -1, ""},
		{"form", "/upload", "-d x=y", "POST 3 false <nil>", 200, 3, ""},
		{"none", "/nothing", "", "404 page not found\n", 404, 0, ""},
		{"refused before the body", "/refused", "-H Expect:100-continue --expect100-timeout 15 -T " + file, "no\n", 403,
			0, ""},
	} {
		for _, by := range []struct {
			flag, version, base string
			again               bool
		}{
			{"--http1.1", "1.1", "https://" + secure, true},
			{"--http2", "2", "https://" + secure, true},
			{"--http1.1", "1.1", g.url, true},
			// which curl 7.88 cannot do twice on one connection, not with nginx either
			{"--http2-prior-knowledge", "2", g.url, false},
		} {
			if strings.Contains(tt.args, "Expect:100") && by.version != "1.1" {
				// curl 7.88 does not wait over HTTP/2, and when it is answered early it ends a body that is not whole
				continue
			}
			for _, to := range []string{"/h1", "/h2"} {
				t.Run(strings.Join([]string{tt.name, by.flag[2:], by.base[:strings.IndexByte(by.base, ':')], to[1:]},
					" "), func(t *testing.T) {
					down, up := len(tt.body), "%{size_upload}"
					if tt.args == "--compressed" {
						down = zipped.Len()
					}
					if tt.up < 0 {
						up = "-1"
					}
					args := append([]string{"-sSk", "--max-time", "20", by.flag, "-D", head, "-w",
						"\n%{http_version} %{response_code} %{size_download} " + up + " %{num_connects}\n"},
						strings.Fields(tt.args)...)
					args = append(args, by.base+to+tt.path)
					report := fmt.Sprintf("%s\n%s %d %d %d ", tt.body, by.version, tt.code, down, tt.up)
					want := report + "1\n"
					if by.again {
						args = append(append(args, "--next"), args...)
						if tt.code == http.StatusForbidden {
							want += report + "1\n" // the body that was not sent could not be told from a request
						} else {
							want += report + "0\n"
						}
					}
					out := run(t, "curl", args...)
					heads, err := os.ReadFile(head)
					if err != nil {
						t.Fatal(err)
					}
					if out != want || !strings.Contains(strings.ToLower(string(heads)), tt.head) {
						out, want = strings.ReplaceAll(out, text, "TEXT"), strings.ReplaceAll(want, text, "TEXT")
						t.Errorf("curl prints\n%.500s\nwant\n%.500s\nof heads with %q:\n%s", out, want, tt.head, heads)
					}
				})
			}
		}
	}
}
