package sidecar_test

import (
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
)

// What a document would make of recent requests is told, and may keep it out.
func TestReplayBeforeASwap(t *testing.T) {
	t.Parallel()
	good := app(t, "good")
	path := filepath.Join(t.TempDir(), "gateway.yaml")
	write(t, path, two(good, good))
	g := serve(t, env{"GATEWAY_CONFIG": path})
	requests, others := g.load("/a"), g.load("/b")
	testserver.WaitFor(t, longestWait, "requests to both routes", func() bool {
		return requests.count() > 200 && others.count() > 200
	})
	without := strings.Replace(two(good, good), "  - {name: b, match: {path_prefix: /b}, cluster: b}\n", "", 1)
	write(t, path, without+"apply: {max_lost: 1%}\n")
	why := g.rejection()
	told := regexp.MustCompile(`^of [0-9,]+ recent requests 0 change cluster, [1-9]\d* lose their route ` +
		`\(apply\.max_lost is 1%\)$`)
	if len(why) != 1 || !told.MatchString(why[0]) {
		t.Errorf("rejected for %q", why)
	}
	g.now("/b", http.StatusOK, "good")

	moved := strings.Replace(two(good, good), "cluster: b}\n", "cluster: a}\n", 1)
	write(t, path, moved+"apply: {max_lost: 1%}\n")
	var lines []map[string]any
	testserver.WaitFor(t, longestWait, "the next document", func() bool {
		lines = g.logged("revision applied")
		return len(lines) == 2
	})
	replay, _ := lines[len(lines)-1]["replay"].(string)
	want := regexp.MustCompile(`^of [0-9,]+ recent requests [1-9]\d* change cluster, 0 lose their route$`)
	if !want.MatchString(replay) {
		t.Errorf("logged %v", lines[len(lines)-1])
	}
	if s := g.status().Revision.Replay; s == nil || s.Moved == 0 || s.Lost != 0 || s.Requests < s.Moved {
		t.Errorf("status %+v", s)
	}
	requests.none(t)
	others.none(t)
}
