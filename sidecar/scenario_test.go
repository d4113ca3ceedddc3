package sidecar_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
)

// longestWait is how long a test waits for what should take a moment.
const longestWait = 20 * time.Second

// binary is the gateway as users have it, built once for all scenarios. Under the race detector it is built with it,
// and a race is an exit code that no test wants.
var binary = sync.OnceValues(func() (string, error) {
	path := filepath.Join(binaryDir, "gateway")
	args := append([]string{"build", "-o", path}, buildFlags...)
	if out, err := exec.Command("go", append(args, "..")...).CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, nil
})

// binaryDir is TestMain's.
var binaryDir string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "gateway-scenario-*")
	if err != nil {
		panic(err)
	}
	binaryDir = dir
	moreAtOnce()
	code := m.Run()
	_ = os.RemoveAll(dir) // a temporary folder
	os.Exit(code)
}

// moreAtOnce lets more tests run side by side than there are processors, unless the command line says how many. They
// wait for gateways and Consul most of the time.
func moreAtOnce() {
	flag.Parse()
	said := false
	flag.Visit(func(f *flag.Flag) { said = said || f.Name == "test.parallel" })
	if said {
		return
	}
	if err := flag.Set("test.parallel", strconv.Itoa(3*runtime.GOMAXPROCS(0))); err != nil {
		panic(err)
	}
}

// gateway is a running gateway.
type gateway struct {
	t      testing.TB
	cmd    *exec.Cmd
	exited chan struct{} // closed when it has ended and was waited for
	begun  time.Time
	dir    string // its working directory, with stdout and stderr
	url    string // of the default listener
	admin  string // URL of the admin port
}

// env is what a gateway finds in its environment besides what every one needs.
type env map[string]string

// launch starts the gateway with arguments and environment, and nothing of the
// test's own environment. With the test it is told to stop, which must succeed.
func launch(t testing.TB, environ env, args ...string) *gateway {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	listen, admin := testserver.Addr(t), testserver.Addr(t)
	all := env{
		"PATH":                 os.Getenv("PATH"),
		"GATEWAY_LISTEN":       listen,
		"GATEWAY_ADMIN_LISTEN": admin,
		"GATEWAY_DRAIN_DELAY":  "0s",
	}
	maps.Copy(all, environ)
	g := &gateway{
		t: t, cmd: exec.Command(path, args...), exited: make(chan struct{}), dir: t.TempDir(),
		url: "http://" + all["GATEWAY_LISTEN"], admin: "http://" + all["GATEWAY_ADMIN_LISTEN"],
	}
	g.cmd.Dir = g.dir
	g.cmd.Env = []string{}
	for name, value := range all {
		if value != unset {
			g.cmd.Env = append(g.cmd.Env, name+"="+value)
		}
	}
	g.cmd.Stdout, g.cmd.Stderr = g.create("stdout"), g.create("stderr")
	g.cmd.SysProcAttr = testserver.DieWithParent()
	g.begun = time.Now()
	if err := g.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { // ends with the program
		defer close(g.exited)
		_ = g.cmd.Wait() // its exit code is looked at
	}()
	t.Cleanup(g.end)
	return g
}

// unset as a value leaves a variable out.
const unset = "\x00"

// up is launch, and waits until the gateway shows how it is.
func up(t testing.TB, environ env, args ...string) *gateway {
	t.Helper()
	g := launch(t, environ, args...)
	testserver.WaitFor(t, longestWait, "the admin port", func() bool {
		_, _, err := fetch(g.admin + "/live")
		return err == nil
	})
	return g
}

// serve is launch, and waits until the gateway is ready.
func serve(t testing.TB, environ env, args ...string) *gateway {
	t.Helper()
	g := launch(t, environ, args...)
	testserver.WaitFor(t, longestWait, "the gateway to be ready", func() bool {
		if g.ended() {
			t.Fatalf("the gateway ended with code %d: %s", g.cmd.ProcessState.ExitCode(), g.stderr())
		}
		status, _, err := fetch(g.admin + "/ready")
		return err == nil && status == http.StatusOK
	})
	return g
}

func (g *gateway) create(name string) *os.File {
	f, err := os.Create(filepath.Join(g.dir, name))
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() { f.Close() })
	return f
}

// end is the clean-up: a gateway that still runs must end in good order.
func (g *gateway) end() {
	if !g.ended() {
		g.signal(syscall.SIGTERM)
		select {
		case <-g.exited:
			if code := g.cmd.ProcessState.ExitCode(); code != 0 {
				g.t.Errorf("the gateway ended with code %d, want 0", code)
			}
		case <-time.After(longestWait):
			g.t.Errorf("the gateway did not end within %v of SIGTERM", longestWait)
			_ = g.cmd.Process.Kill() // it is waited for below
			<-g.exited
		}
	}
	if g.t.Failed() {
		g.t.Logf("the gateway said:\n%s", g.stderr())
	}
}

// servedAfter is how long after its start the gateway has applied what serves. What a busy machine needs to start the
// process is not in it.
func (g *gateway) servedAfter() time.Duration {
	g.t.Helper()
	s := g.status()
	return s.Revision.Since.Sub(s.Started)
}

func (g *gateway) ended() bool {
	select {
	case <-g.exited:
		return true
	default:
		return false
	}
}

func (g *gateway) signal(s syscall.Signal) {
	g.t.Helper()
	if err := g.cmd.Process.Signal(s); err != nil {
		g.t.Errorf("%v: %v", s, err)
	}
}

// exit waits for the end of the gateway and gives its exit code.
func (g *gateway) exit(within time.Duration) int {
	g.t.Helper()
	select {
	case <-g.exited:
	case <-time.After(within):
		g.t.Fatalf("the gateway still runs after %v", within)
	}
	return g.cmd.ProcessState.ExitCode()
}

func (g *gateway) stdout() string { return g.read("stdout") }
func (g *gateway) stderr() string { return g.read("stderr") }

func (g *gateway) read(name string) string {
	g.t.Helper()
	text, err := os.ReadFile(filepath.Join(g.dir, name))
	if err != nil {
		g.t.Fatal(err)
	}
	return string(text)
}

// logged are the lines of stderr with this message, as JSON.
func (g *gateway) logged(message string) []map[string]any {
	g.t.Helper()
	var found []map[string]any
	text := g.stderr()
	for line := range strings.Lines(text[:strings.LastIndexByte(text, '\n')+1]) {
		var fields map[string]any
		if err := json.Unmarshal([]byte(line), &fields); err != nil {
			g.t.Fatalf("stderr: %v in %q", err, line)
		}
		if fields["@message"] == message {
			found = append(found, fields)
		}
	}
	return found
}

// waitLogged waits for a line of stderr with this message and gives the last one.
func (g *gateway) waitLogged(message string) map[string]any {
	g.t.Helper()
	var found []map[string]any
	testserver.WaitFor(g.t, longestWait, "the log line "+message, func() bool {
		found = g.logged(message)
		return len(found) > 0
	})
	return found[len(found)-1]
}

// status is what scripts read of /status; the names are promised to them.
type status struct {
	Ready    bool
	Reasons  []string
	Draining bool
	Source   string
	Started  time.Time
	Revision struct {
		ID, Source        string
		Since             time.Time
		Orphaned          bool
		Applied, Rejected int
		AsOf              time.Time `json:"as_of"`
		LastRejected      *struct {
			Reasons []string
			RetryAt time.Time `json:"retry_at"`
		} `json:"last_rejected"`
		Held *struct {
			State   string
			Reasons []string
		}
		Replay         *struct{ Requests, Moved, Lost int }
		ProbationUntil time.Time `json:"probation_until"`
		RolledBack     *struct {
			ID, To           string
			Since, At        time.Time
			Requests, Failed uint64
			Reasons          []string
		} `json:"rolled_back"`
	}
	Revisions []struct {
		Revision, State string
		Since           time.Time
		Reasons         []string
	}
	Listeners []struct{ Name, Address string }
	Clusters  []struct {
		Name    string
		Panic   bool
		Follows string
		Prefer  *struct {
			By, Here string
			Near     int
			Share    float64
		}
		Unknown   bool
		Awaiting  int
		Endpoints []struct {
			Address, State string
			Weight         int
			Consul         struct {
				State string
				Held  *time.Time `json:"held_until"`
			}
		}
	}
	State     struct{ Error string }
	Trouble   []string
	Verdict   struct{ State, Error, Needs string }
	Discovery []struct {
		Name, Class, Error string
		Failing            int
	}
}

func (g *gateway) status() status {
	g.t.Helper()
	code, body, err := fetch(g.admin + "/status")
	if err != nil || code != http.StatusOK {
		g.t.Fatalf("GET /status: %d %v", code, err)
	}
	var s status
	if err := json.Unmarshal([]byte(body), &s); err != nil {
		g.t.Fatalf("/status: %v in %s", err, body)
	}
	return s
}

// wait waits until /status is as it should be.
func (g *gateway) wait(what string, ok func(status) bool) status {
	g.t.Helper()
	var s status
	testserver.WaitFor(g.t, longestWait, what, func() bool {
		s = g.status()
		return ok(s)
	})
	return s
}

// rejection waits for a rejected document and gives all that is wrong with it.
func (g *gateway) rejection() []string {
	g.t.Helper()
	s := g.wait("a document to be rejected", func(s status) bool { return s.Revision.LastRejected != nil })
	return s.Revision.LastRejected.Reasons
}

// answers waits until a path is answered with status and exactly this body.
func (g *gateway) answers(path string, code int, body string) {
	g.t.Helper()
	var got string
	var gotCode int
	var err error
	deadline := time.Now().Add(longestWait)
	for tick := time.Tick(10 * time.Millisecond); time.Now().Before(deadline); <-tick {
		gotCode, got, err = fetch(g.url + path)
		if err == nil && gotCode == code && got == body {
			return
		}
	}
	g.t.Fatalf("GET %s = %d %q, %v; want %d %q", path, gotCode, got, err, code, body)
}

// now asks once, and must get status and body.
func (g *gateway) now(path string, code int, body string) {
	g.t.Helper()
	gotCode, got, err := fetch(g.url + path)
	if err != nil || gotCode != code || got != body {
		g.t.Errorf("GET %s = %d %q, %v; want %d %q", path, gotCode, got, err, code, body)
	}
}

// split asks n times and counts the answers.
func (g *gateway) split(path string, n int) map[string]int {
	g.t.Helper()
	counts := map[string]int{}
	for range n {
		code, body, err := fetch(g.url + path)
		if err != nil || code != http.StatusOK {
			g.t.Fatalf("GET %s: %d %q %v", path, code, body, err)
		}
		counts[body]++
	}
	return counts
}

// splits waits until n requests are answered exactly so.
func (g *gateway) splits(path string, want map[string]int) {
	g.t.Helper()
	n := 0
	for _, count := range want {
		n += count
	}
	var got map[string]int
	deadline := time.Now().Add(longestWait)
	for time.Now().Before(deadline) {
		if got = g.split(path, n); maps.Equal(got, want) {
			return
		}
	}
	g.t.Fatalf("%d requests of %s were split %v, want %v", n, path, got, want)
}

var client = &http.Client{
	Timeout:       longestWait,
	Transport:     &http.Transport{MaxIdleConnsPerHost: 16, DisableCompression: true},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// fetch gets a URL.
func fetch(url string) (status int, body string, err error) { return fetchBy(client, url) }

func fetchBy(client *http.Client, url string) (status int, body string, err error) {
	resp, err := client.Get(url)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text), err
}

// app is a backend that answers everything with its name; it is no more than an
// address to the gateway.
func app(t testing.TB, name string) (address string) {
	t.Helper()
	return backend(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, name) }))
}

func backend(t testing.TB, h http.Handler) (address string) {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}

// port is the port of an address.
func port(t testing.TB, address string) int {
	t.Helper()
	a, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	return a.Port
}

// one is a document with one route for everything and one endpoint.
func one(address string) string {
	return fmt.Sprintf("routes: [{name: all, cluster: c}]\nclusters: [{name: c, endpoints: [%q]}]\n", address)
}

// write replaces a file as an editor does.
func write(t testing.TB, path, text string) {
	t.Helper()
	next := path + ".new"
	if err := os.WriteFile(next, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, path); err != nil {
		t.Fatal(err)
	}
}

// run runs a program to its end and gives what it printed.
func run(t testing.TB, name string, args ...string) string {
	t.Helper()
	var stderr bytes.Buffer
	cmd := exec.Command(testserver.Binary(t, name), args...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s%s", name, strings.Join(args, " "), err, out, stderr.Bytes())
	}
	return string(out)
}

// load asks for a path on several kept connections until it is stopped.
type load struct {
	done    chan struct{}
	workers sync.WaitGroup
	mu      sync.Mutex
	// +checklocks:mu
	answered int
	// +checklocks:mu
	failed []string
	// +checklocks:mu
	failedAt time.Time // the first of them
}

// load begins to ask, about 1,000 times a second in all. Answers that are not 200
// and requests without an answer are failures.
func (g *gateway) load(path string) *load {
	l := &load{done: make(chan struct{})}
	each := 4 * time.Millisecond
	if testserver.Race { // a thousand requests in a second would leave no processor time for what is tested
		each *= 5
	}
	for range 4 {
		l.workers.Go(func() { l.pace(each, func() (int, string, error) { return fetch(g.url + path) }) })
	}
	g.t.Cleanup(func() { l.stop() })
	return l
}

// pace makes a request each so often, or as soon as the one before has ended.
func (l *load) pace(each time.Duration, fetch func() (int, string, error)) {
	tick := time.NewTicker(each)
	defer tick.Stop()
	for {
		select {
		case <-l.done:
			return
		case <-tick.C:
		}
		status, body, err := fetch()
		l.mu.Lock()
		l.answered++
		if err != nil || status != http.StatusOK {
			if l.failedAt.IsZero() {
				l.failedAt = time.Now()
			}
			l.failed = append(l.failed, fmt.Sprintf("%d %q %v", status, body, err))
		}
		l.mu.Unlock()
	}
}

// stop ends the load. A second call only tells again.
func (l *load) stop() (answered int, failed []string) {
	select {
	case <-l.done:
	default:
		close(l.done)
	}
	l.workers.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.answered, l.failed
}

// none lets the load go on for a little, stops it, and fails the test if a single
// request of it failed.
func (l *load) none(t testing.TB) {
	t.Helper()
	testserver.WaitFor(t, longestWait, "some more requests", l.more(20))
	answered, failed := l.stop()
	if len(failed) > 0 {
		slices.Sort(failed)
		t.Errorf("%d of %d requests failed: %q", len(failed), answered, slices.Compact(failed))
	}
}

// more tells whether there were n requests since it was called.
func (l *load) more(n int) func() bool {
	before := l.count()
	return func() bool { return l.count() >= before+n }
}

func (l *load) firstFailure() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.failedAt
}

func (l *load) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.answered
}
