package sidecar

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/fabian4/gateway-homebrew-go/discovery"
	"github.com/fabian4/gateway-homebrew-go/internal/statedir"
)

const (
	tryingFile = "trying"

	// trialTime is for how long after its swap a document is blamed for the end of the process where there is no
	// probation.
	trialTime = 15 * time.Second

	// lastStarts is how often a document may end the process when there is no other that could serve.
	lastStarts = 3
)

// trial is the content of the file trying. It has the document that is being read and applied, by the hash of its
// bytes, and one that is not to be tried again.
type trial struct {
	Hash    string    `json:"hash,omitempty"`
	Since   time.Time `json:"since,omitzero"`
	Forced  time.Time `json:"forced,omitzero"` // when a person last asked for it, by that person's clock
	Ends    int       `json:"ends,omitempty"`  // how often the process ended with it
	Pending string    `json:"pending,omitempty"`
	// how often it ended with what is pending, and will be tried again
	PendingEnds int       `json:"pending_ends,omitempty"`
	Quarantined string    `json:"quarantined,omitempty"`
	EndedAt     time.Time `json:"ended_at,omitzero"` // when the process last began the trial of what is quarantined
	Harm        string    `json:"harm,omitempty"`    // why it was rolled back; empty: it ended the process
	// when a person had last asked for what is quarantined
	QuarantinedForced time.Time `json:"quarantined_forced,omitzero"`
}

// trials keeps a document that ends the process from ending it at every start. It is the applying goroutine's. The zero
// value, of a gateway without a state directory, blames no document.
type trials struct {
	dir *statedir.Dir
	log hclog.Logger
	now trial
}

// open reads what the process before this one was trying when it ended. kept is the hash of the document that could
// serve instead; empty for none.
func (t *trials) open(dir *statedir.Dir, log hclog.Logger, kept string) {
	t.dir, t.log = dir, log
	var found trial
	err := dir.Read(tryingFile, &found)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return
	case err != nil:
		t.log.Warn("the note of what was tried is not used and set aside", "error", err)
		if err := dir.SetAside(tryingFile); err != nil {
			t.log.Warn("it stays in its place", "error", err)
		}
		return
	}
	t.now = found.afterEnd(kept)
	if t.now.Quarantined != "" && t.now.Quarantined != found.Quarantined {
		t.log.Error("document is quarantined: the process ended while it came into service",
			"hash", found.Hash, "times", t.now.Ends, "since", found.Since)
	}
	t.write()
}

// afterEnd is what a start makes of the trial that it finds: it was not over when the process ended. A document is
// quarantined at once where another one can serve. The only one gets more starts, for the end may have had another
// cause.
func (t trial) afterEnd(kept string) trial {
	if t.Hash == "" {
		return t
	}
	t.Ends++
	if other := kept != "" && kept != t.Hash; other || t.Ends >= lastStarts {
		t = trial{
			Quarantined: t.Hash, QuarantinedForced: t.Forced, EndedAt: t.Since, Ends: t.Ends, Pending: t.Pending,
			PendingEnds: t.PendingEnds,
		}
	}
	return t
}

// quarantined says why a document is not to be tried; empty = it may be.
func (t *trials) quarantined(hash string) string {
	if t.now.Quarantined != hash || hash == "" {
		return ""
	}
	at := t.now.EndedAt.UTC().Format(time.RFC3339)
	why := "the gateway ended while this document came into service, at " + at
	if t.now.Harm != "" {
		why = fmt.Sprintf("it was rolled back at %s (%s)", at, t.now.Harm)
	}
	return "quarantined: " + why + "; it is tried again when its content changes, after SIGHUP, or when it is pushed " +
		"with --force"
}

// rolledBack quarantines a document that did harm.
func (t *trials) rolledBack(d discovery.Document, why []string, now time.Time) {
	t.now = trial{
		Quarantined: d.Hash, QuarantinedForced: d.Forced, EndedAt: now, Harm: strings.Join(why, "; "),
	}
	t.write()
}

// forced tells whether a person asked for the document anew since it was quarantined, at a time by that person's clock.
// It is compared with the last time that was known, and not with our clock, which may be another.
func (t *trials) forced(at time.Time) bool { return !at.IsZero() && !at.Equal(t.now.QuarantinedForced) }

// lift ends the quarantine.
func (t *trials) lift() {
	if t.now.Quarantined != "" {
		t.now = trial{}
		t.write()
	}
}

// begin notes a document before the first of its bytes is looked at, and when a person last asked for it.
func (t *trials) begin(hash string, forced time.Time) {
	switch {
	case t.now.Hash != hash:
		t.now.Hash, t.now.Since, t.now.Ends = hash, time.Now(), 0
		if t.now.Pending == hash {
			t.now.Ends, t.now.Pending, t.now.PendingEnds = t.now.PendingEnds, "", 0
		}
	case t.now.Forced.Equal(forced):
		return
	}
	t.now.Forced = forced
	t.write()
}

// suspend notes that the document did not come into service, and will be tried again. An end of the process meanwhile
// is not its doing, but those before still count.
func (t *trials) suspend() {
	if t.now.Hash != "" && t.now.Ends > 0 {
		t.now.Pending, t.now.PendingEnds = t.now.Hash, t.now.Ends
	}
	t.end()
}

// end notes that the document did the process no harm.
func (t *trials) end() {
	if t.now.Hash == "" {
		return
	}
	t.now.Hash, t.now.Since, t.now.Forced, t.now.Ends = "", time.Time{}, time.Time{}, 0
	t.write()
}

func (t *trials) write() {
	if t.dir == nil {
		return
	}
	var err error
	if t.now == (trial{}) {
		err = t.dir.Remove(tryingFile)
	} else {
		err = t.dir.Note(tryingFile, t.now)
	}
	if err != nil {
		t.log.Debug("what is tried cannot be noted", "error", err) // the write of the state says so louder
	}
}

// trials are the sidecar's.
func (a *applier) trials() *trials {
	if !a.state.enabled() {
		return &a.blamed
	}
	return &a.state.trials
}

// endTrial ends the trial of a document that did not come into service, until it is tried again. That of one which did
// goes on for a while.
func (a *applier) endTrial(hash string) {
	switch {
	case !a.trialEnds.IsZero() && a.active.from.Hash == hash:
		return
	case a.pending != nil && a.pending.from.Hash == hash:
		a.trials().suspend()
	default:
		a.trials().end()
	}
	if !a.trialEnds.IsZero() { // that of what serves goes on
		a.trials().begin(a.active.from.Hash, a.active.from.Forced)
	}
}
