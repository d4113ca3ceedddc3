package cli

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/fabian4/gateway-homebrew-go/internal/cluster"
	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
	"github.com/fabian4/gateway-homebrew-go/sidecar"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

func topFixture() sidecar.Status {
	s := statusFixture()
	s.Ready = true
	s.Trouble = []string{
		"cluster app: no endpoint is healthy, so all are used: 10.0.0.2:80 ejected (passive: connect failure), " +
			"5 in a row",
		"certificate a.pem: what is on disk does not serve: key does not fit",
	}
	s.Clusters[0].Endpoints[0].Recent = &telemetry.EndpointRate{Requests: 600, Errors: 60, P50MS: 1, P99MS: 20}
	s.Rates.Clusters = []telemetry.NamedRate{
		{Name: "app", Rate: telemetry.Rate{Requests: 100, PerSecond: 1.7, P50MS: 3, P99MS: 9,
			Errors: map[string]uint64{"UF": 20, "5xx": 5}}},
		{Name: "a-well", Rate: telemetry.Rate{Requests: 600, PerSecond: 10, P50MS: 1, P99MS: 20}},
	}
	s.Rates.Routes = []telemetry.NamedRate{
		{Name: "busy", Rate: telemetry.Rate{Requests: 600, PerSecond: 10, P50MS: 1, P99MS: 20}},
		{Name: "calls", Rate: telemetry.Rate{Requests: 100, PerSecond: 2, P50MS: 5, P99MS: 9,
			Errors: map[string]uint64{"grpc": 50, "5xx": 10, "4xx": 9}}},
	}
	s.Routes = []sidecar.RouteStatus{{Name: "busy", To: "a-well"}, {Name: "calls"},
		{Name: "unused", To: "redirects to https with the status 308"}}
	return s
}

const wantClusters = `web: ready, 1 of 3 clusters in trouble
2 requests/s, p50 0.3 ms, p99 12.0 ms, 4xx 3, UH 1 (last 60 s)
  cluster app: no endpoint is healthy, so all are used: 10.0.0.2:80 ejected
    (passive: connect failure), 5 in a row
  certificate a.pem: what is on disk does not serve: key does not fit
  CLUSTER                  STATE          WT IN FL   REQ/S ERR %  P50 MS  P99 MS
✗ app                      2/2 used              0     1.7  25.0     3.0     9.0
  ✗ 10.0.0.2:80            ejected         1     0
    10.0.0.1:80            healthy         3     1     2.0   1.7     0.3    12.0
  a-well                   1/1 used              0    10.0   0.0     1.0    20.0
  ✗ 10.0.0.3:80            healthy         1     0    10.0  10.0     1.0    20.0
  late                     0/0 used              0
`

const wantRoutes = `  ROUTE                    GOES TO                   REQ/S ERR %  P50 MS  P99 MS
✗ calls                                                2.0  50.0     5.0     9.0
  busy                     a-well                     10.0   0.0     1.0    20.0
  unused                   redirects to https w...
`

func TestTopOnce(t *testing.T) {
	address := admin(t, topFixture()) // which finds the trouble itself
	for _, row := range []struct{ args, want string }{
		{"", ""}, {"--show routes", ""},
		{"--show routes --sort rate", "busy calls unused"},
		{"--show routes --sort p50", "calls busy unused"}, {"--show routes --sort name", "busy calls unused"},
		{"--sort p99", "a-well 10.0.0.3:80 app 10.0.0.1:80 10.0.0.2:80 late"},
		{"--sort errors", "app 10.0.0.1:80 10.0.0.2:80 late a-well 10.0.0.3:80"},
	} {
		got := do(t, Process{}, strings.Fields("top --once --admin-listen "+address+" "+row.args)...)
		if got.code != 0 || got.stderr != "" {
			t.Errorf("top %s: %+v, want code 0", row.args, got)
		}
		for line := range strings.Lines(got.stdout) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > topWidth {
				t.Errorf("top %s: a line of %d columns: %s", row.args, n, line)
			}
		}
		var names []string
		_, table, _ := strings.Cut(got.stdout, "P99 MS\n")
		for line := range strings.Lines(table) {
			names = append(names, strings.Fields(strings.ReplaceAll(line, "✗", ""))[0])
		}
		if order := strings.Join(names, " "); row.want != "" && order != row.want {
			t.Errorf("top %s: %s, want %s", row.args, order, row.want)
		}
	}
	if got := do(t, Process{}, "top", "--once", "--show", "routes", "--admin-listen", address); !strings.HasSuffix(
		got.stdout, wantRoutes) {
		t.Errorf("routes:\n%s\nwant\n%s", got.stdout, wantRoutes)
	}
}

func TestTopLines(t *testing.T) {
	s := topFixture()
	v := topView{sort: "trouble", table: "clusters"}
	var b strings.Builder
	for _, l := range v.lines(&s, topWidth) {
		b.WriteString(strings.TrimRight(l.text, " ") + "\n")
	}
	if b.String() != wantClusters {
		t.Errorf("lines:\n%s\nwant\n%s", b.String(), wantClusters)
	}
	s.Service, s.Trouble = "\x1b[2Jweb", make([]string, 9)
	s.Clusters = []cluster.Status{{Name: "a\x1b]0;title\x07"}}
	lines := v.lines(&s, 40)
	for _, l := range lines {
		if strings.ContainsFunc(l.text, func(r rune) bool { return r < ' ' }) || utf8.RuneCountInString(l.text) > 60 {
			t.Errorf("line %q, want no control character and no more than what the columns need", l.text)
		}
	}
	if text := lines[3+mostTrouble].text; text != "  and 4 more: gateway status" {
		t.Errorf("line %q, want how many troubles are not shown", text)
	}
}

func TestTopUsage(t *testing.T) {
	for _, row := range []struct{ args, want string }{
		{"top", "gateway: top needs a terminal (in scripts: gateway top --once)\n"},
		{"top --sort size", "gateway: --sort: want one of trouble, name, rate, errors, p50, p99 (seen \"size\")\n"},
		{"top --show pods", "gateway: --show: want one of clusters, routes (seen \"pods\")\n"},
		{"top --every 1ms", "gateway: --every: want a time from 100ms to 1m0s (seen \"1ms\")\n"},
		{"top x", "gateway: top takes no argument (seen \"x\")\n"},
	} {
		got := do(t, Process{}, strings.Fields(row.args)...)
		if got.code != 2 || got.stderr != row.want {
			t.Errorf("gateway %s: %+v, want code 2, stderr %q", row.args, got, row.want)
		}
	}
}

// A narrow window has fewer columns, never the half of a figure.
func TestTopColumns(t *testing.T) {
	for _, row := range []struct {
		width           int
		clusters, route string // heads of both tables
	}{
		{80, "CLUSTER STATE WT IN FL REQ/S ERR % P50 MS P99 MS", "ROUTE GOES TO REQ/S ERR % P50 MS P99 MS"},
		{72, "CLUSTER STATE WT IN FL REQ/S ERR % P50 MS P99 MS", "ROUTE GOES TO REQ/S ERR % P50 MS P99 MS"},
		{71, "CLUSTER STATE IN FL REQ/S ERR % P50 MS P99 MS", "ROUTE GOES TO REQ/S ERR % P99 MS"},
		{60, "CLUSTER STATE REQ/S ERR % P50 MS P99 MS", "ROUTE REQ/S ERR % P99 MS"},
		{40, "CLUSTER REQ/S ERR % P99 MS", "ROUTE REQ/S ERR % P99 MS"},
		{39, "CLUSTER REQ/S ERR %", "ROUTE REQ/S ERR %"}, {20, "CLUSTER ERR %", "ROUTE ERR %"},
	} {
		for table, want := range map[string]string{"clusters": row.clusters, "routes": row.route} {
			s, v := topFixture(), topView{sort: "trouble", table: table}
			lines := v.lines(&s, row.width)
			if got := strings.Join(strings.Fields(lines[v.fixed-1].text), " "); got != want {
				t.Errorf("%s, %d columns: %s, want %s", table, row.width, got, want)
			}
			for _, l := range lines {
				if n := utf8.RuneCountInString(l.text); n > row.width {
					t.Errorf("%s, %d columns: a line of %d: %s", table, row.width, n, l.text)
				}
			}
		}
	}
	s, v := topFixture(), topView{sort: "trouble", table: "clusters"}
	lines := v.lines(&s, 40)
	if !slices.ContainsFunc(lines, func(l topLine) bool {
		return l.text == "✗ app                  1.7  25.0     9.0"
	}) {
		t.Errorf("40 columns: %v, want rate, errors and p99 of app in full", lines)
	}
}

// terminal is what is drawn on.
type terminal struct {
	testserver.Log
	width  int
	height int
}

func (s *terminal) screen() *screen {
	return &screen{w: s, size: func() (int, int) { return s.width, s.height }}
}

// last is the text of the last frame.
func (s *terminal) last() string {
	all := s.String()
	frame := all[strings.LastIndex(all, screenHome)+len(screenHome):]
	return strings.NewReplacer("\x1b[K", "", screenRest, "", "\r", "").Replace(frame)
}

func TestTopLive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		at, s := terminal{width: 80, height: 8}, topFixture()
		var asked atomic.Int64
		var failing atomic.Bool
		keys, done := make(chan topKey), make(chan error, 1)
		ctx, end := context.WithCancel(t.Context())
		defer end()
		go func() {
			done <- watchTop(ctx, keys, topOptions{sort: "trouble", show: "clusters", every: time.Second}, at.screen(),
				func(context.Context) (*sidecar.Status, error) {
					asked.Add(1)
					if failing.Load() {
						return nil, errors.New("nobody is there")
					}
					return &s, nil
				})
		}()
		want := func(what string, is bool) {
			t.Helper()
			if !is {
				t.Errorf("want %s, seen\n%s", what, at.last())
			}
		}
		synctest.Wait()
		want("eight lines at most", strings.Count(at.last(), "\n") == 7)
		want("the head and the first rows", strings.HasPrefix(at.last(), "web: ready") &&
			strings.Contains(at.last(), "✗ app") && !strings.Contains(at.last(), "  late"))
		for range 30 {
			keys <- keyDown
		}
		synctest.Wait()
		want("the last rows under the head", strings.Contains(at.last(), "  late") &&
			strings.Contains(at.last(), "CLUSTER") && !strings.Contains(at.last(), "✗ app"))
		keys <- keyUp
		synctest.Wait()
		want("one row up", !strings.Contains(at.last(), "  late") && strings.Contains(at.last(), "10.0.0.3"))
		keys <- keyTable
		keys <- keySort
		synctest.Wait()
		want("routes by name", strings.Contains(at.last(), "ROUTE") && strings.Contains(at.last(), "s sort (name)"))
		before := asked.Load()
		<-time.After(3 * time.Second)
		synctest.Wait()
		want("a question a second", asked.Load() == before+3)
		failing.Store(true)
		<-time.After(time.Second)
		synctest.Wait()
		want("why it is old, above what was known", strings.HasPrefix(at.last(), "nobody is there\nweb: ready"))
		keys <- keyQuit
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// A small window takes what fits.
func TestTopInAnyWindow(t *testing.T) {
	s := topFixture()
	for height := range 40 {
		for _, first := range []int{0, 3, 1000} {
			at := terminal{width: height * 3, height: height}
			v := topView{sort: "trouble", table: "clusters", first: first}
			at.screen().draw(&v, &s, errors.New("away"))
			if n := strings.Count(at.last(), "\n") + 1; n > max(height, 4) {
				t.Errorf("%d lines in a window of %d", n, height)
			}
		}
	}
}

func TestTopKeys(t *testing.T) {
	for _, row := range []struct {
		pressed string
		want    topKey
	}{{"q", keyQuit}, {"\x03", keyQuit}, {"s", keySort}, {"\x1b[A", keyUp}, {"\x1b[6~", keyPageDown}, {"\t", keyTable},
		{"\x1b[1;5Cq", keyQuit}, {"zz\x1b[Z\x1b[B", keyDown}} {
		keys := make(chan topKey, 4)
		// An unknown key before it means nothing.
		in := io.MultiReader(strings.NewReader("x"), strings.NewReader(row.pressed),
			iotest.ErrReader(errors.New("gone")))
		readKeys(t.Context(), in, keys)
		if got, end := <-keys, <-keys; got != row.want || end != keyQuit {
			t.Errorf("%q: %d and %d, want %d and then the end", row.pressed, got, end, row.want)
		}
	}
}
