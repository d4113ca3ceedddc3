package sidecar

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fabian4/gateway-homebrew-go/discovery"
	"github.com/fabian4/gateway-homebrew-go/internal/config"
)

// text is the history in short, the newest first.
func (h history) text() string {
	var all []string
	for _, r := range h {
		all = append(all, fmt.Sprintf("%s %s %d", r.Revision, r.State, r.Since.Unix()))
	}
	return strings.Join(all, ", ")
}

func TestHistory(t *testing.T) {
	const (
		applied, rejected = discovery.RevisionApplied, discovery.RevisionRejected
		waiting, held     = discovery.RevisionWaiting, discovery.RevisionHeld
	)
	type step func(h *history, now time.Time)
	note := func(revision, hash string, s discovery.RevisionState) step {
		return func(h *history, now time.Time) {
			h.note(RevisionRecord{Revision: revision, hash: hash, State: s, Since: now})
		}
	}
	release := func(h *history, now time.Time) { h.supersede(now, waiting, held) }
	for _, row := range []struct {
		name  string
		steps []step
		want  string
	}{
		{"one after the other", []step{note("a", "1", applied), note("b", "2", applied)},
			"b applied 1, a superseded 1"},
		{"back again", []step{note("a", "1", applied), note("b", "2", applied),
			note("a", "1", applied)}, "a applied 2, b superseded 2, a superseded 1"},
		{"rejected, then good", []step{note("a", "1", applied), note("", "2", rejected),
			note("b", "2", applied)}, "b applied 2, a superseded 2"},
		{"rejected for good", []step{note("a", "1", applied), note("", "2", rejected),
			note("c", "3", applied)}, "c applied 2, 2 rejected 1, a superseded 2"},
		{"rejected at the start, tried again", []step{note("", "2", rejected),
			note("boot", "", applied), note("", "2", rejected), note("b", "2", applied)},
			"b applied 3, boot superseded 3"},
		{"waits, is held, serves", []step{note("a", "1", applied), note("b", "2", waiting),
			note("b", "2", waiting), note("b", "2", held), note("b", "2", applied), release},
			"b applied 4, a superseded 4"},
		{"held, and another one comes", []step{note("a", "1", applied), note("b", "2", held), release,
			note("c", "3", applied)}, "c applied 3, b superseded 2, a superseded 3"},
		{"rolled back", []step{note("a", "1", applied), note("b", "2", applied),
			note("a", "1", applied), func(h *history, now time.Time) { h.rolledBack(&RolledBack{ID: "b", At: now}) }},
			"a applied 2, b rolled_back 3, a superseded 1"},
		{"held, and comes again", []step{note("a", "1", applied), note("b", "2", held), release,
			note("b", "2", held)}, "b held 3, a applied 0"},
	} {
		var h history
		for i, s := range row.steps {
			s(&h, time.Unix(int64(i), 0))
		}
		if got := h.text(); got != row.want {
			t.Errorf("%s: %s, want %s", row.name, got, row.want)
		}
	}
}

func TestHistoryIsBounded(t *testing.T) {
	var h history
	for i := range 3 * keptRevisions {
		h.note(RevisionRecord{
			hash: fmt.Sprintf("%02d%062d", i, 0), State: discovery.RevisionRejected, Reasons: make([]string, 1000),
		})
	}
	if len(h) != keptRevisions || len(h[0].Revision) != shortHash || len(h[0].Reasons) != keptReasons+1 ||
		h[0].Reasons[keptReasons] != "and 995 more" {
		t.Errorf("%d revisions, the first %+v", len(h), h[0])
	}
}

// A document that is refused has the name under which its author pushed it, wherever people look.
func TestNameOfARejectedDocument(t *testing.T) {
	a := newApplier(t)
	pushed := discovery.NewDocument("file", "pushed", []config.Part{{Data: []byte("routes: nothing\n")}})
	pushed.Name = "0a1b2c"
	byHand := discovery.NewDocument("file", "by hand", []config.Part{{Data: []byte("routes: none\n")}})
	for _, row := range []struct {
		d    discovery.Document
		want string
	}{{pushed, "0a1b2c"}, {byHand, byHand.Hash[:shortHash]}} {
		if err := a.take(t.Context(), row.d); err != nil {
			t.Fatal(err)
		}
		a.mu.Lock()
		rejected, records := a.now.status.LastRejected, a.now.history.text()
		v, _ := a.now.verdict()
		a.mu.Unlock()
		if rejected.ID != row.want || v.Rev != row.want || !strings.Contains(records, row.want+" rejected ") {
			t.Errorf("status %q, verdict %q, history %q, want %q", rejected.ID, v.Rev, records, row.want)
		}
	}
}
