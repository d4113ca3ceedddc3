package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/fabian4/gateway-homebrew-go/discovery/consul"
	"github.com/fabian4/gateway-homebrew-go/sidecar"
)

// mostReasons is how many different reasons people read while a verb waits.
const mostReasons = 10

// waiter follows what the gateways say of a revision that was made live.
type waiter struct {
	revisions *consul.Revisions
	key, rev  string
	since     uint64    // Consul's index of the write that made it live
	out       io.Writer // progress; nil = none
	coloured  bool
	trial     trialWait

	heard      bool // Consul said what the gateways say, be it nothing
	now        tally
	seen       map[string]bool // instances
	foreign    uint64          // of the verdicts about another revision, the latest write
	superseded *consul.Pointer // what is live instead
	line       string          // that was written last
	reasons    []string        // that were written
}

// await waits for the gateways to say what became of the revision that is live with the write of the index since. A
// since of 0 means a write that is to be found. The answer is that it is not as it should be.
func (s *store) await(
	ctx context.Context, p *Process, rev string, since uint64, o pushOptions,
) (t *tally, answer error) {
	ctx, cancel := context.WithTimeout(ctx, o.wait)
	defer cancel()
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	defer p.onStop(ctx, func() { end(errStopped) })()
	w := &waiter{
		revisions: s.revisions, key: s.boot.ConsulKey, rev: rev, since: since, seen: map[string]bool{},
		coloured: p.coloured(),
		trial:    trialWait{wanted: o.probation, none: o.force, over: func() { end(errSettled) }},
	}
	defer w.trial.stop()
	if !o.raw {
		w.out = p.Stdout
	}
	w.now = newTally(nil, rev, since)
	err := w.findAtLast(ctx)
	if err == nil && w.superseded == nil {
		err = s.verdicts.Follow(ctx, func(all []consul.Said) {
			if w.take(ctx, all) {
				end(errSettled)
			}
		})
	}
	cause := context.Cause(ctx)
	switch {
	case consul.Denied(err):
		return &w.now, bad("%s is live, and stays so, but what becomes of it may not be read: %v", rev, err)
	case !w.heard && w.superseded == nil && !errors.Is(cause, errStopped):
		return &w.now, timeOver("%s is live, and what becomes of it was not heard within %s%s", rev, o.wait,
			because(err))
	}
	return &w.now, w.answer(o.wait, cause)
}

// Why a wait ended, where its time was not over.
var (
	errSettled = errors.New("nothing is left to wait for")
	errStopped = errors.New("a person has stopped it")
)

// onStop has stop called when a person ends the process, which then waits for the verb to end. The function that it
// returns is for the end of that.
func (p *Process) onStop(ctx context.Context, stop func()) (end func()) {
	if p.Signals == nil {
		return func() {}
	}
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	signalled, hangups := p.Signals(life)
	go func() { // until end
		select {
		case <-signalled.Done():
		case <-hangups: // the terminal is gone
		}
		stop()
	}()
	return end
}

// findAgain is the pause between two attempts to find out what is live.
const findAgain = 250 * time.Millisecond

// findAtLast is find, again and again while Consul does not respond.
func (w *waiter) findAtLast(ctx context.Context) error {
	again := time.NewTicker(findAgain)
	defer again.Stop()
	for {
		err := w.find(ctx)
		if err == nil || consul.Denied(err) {
			return err
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return err
		}
	}
}

// find learns with which write the revision became live, or what is live instead.
func (w *waiter) find(ctx context.Context) error {
	p, index, err := w.revisions.Current(ctx)
	if err == nil {
		w.found(&p, index)
	}
	return err
}

// found takes what is live with the write of an index.
func (w *waiter) found(p *consul.Pointer, index uint64) {
	switch {
	case p.Rev == w.rev:
		w.since = index // or it was made live once more
	case w.since == 0 || index != w.since: // else it was put by hand, and has no name there
		w.superseded, w.now.Superseded = p, instead(p)
	}
}

// take takes what is said now, and tells whether there is nothing left to wait for.
func (w *waiter) take(ctx context.Context, all []consul.Said) (done bool) {
	foreign := w.foreign
	w.heard = true
	present := map[string]bool{}
	for i := range all {
		present[all[i].Instance], w.seen[all[i].Instance] = true, true
		if all[i].Rev != w.rev && all[i].Index > w.since {
			foreign = max(foreign, all[i].Index)
		}
	}
	if foreign > w.foreign { // somebody says something newer of another revision: is it still ours?
		w.foreign = foreign
		if w.find(ctx) == nil && w.superseded != nil {
			return true
		}
	}
	w.now = newTally(all, w.rev, w.since)
	w.now.Gone = len(w.seen) - len(present)
	left := w.trial.take(&w.now, time.Now())
	w.tell()
	if left > 0 && w.now.complete() && w.now.Refuse == 0 {
		w.tellTrial(left)
		return !w.trial.wait(left)
	}
	w.trial.stop()
	return w.now.complete()
}

// tell writes a line for each change, and once each reason that is given.
func (w *waiter) tell() {
	if w.out == nil {
		return
	}
	if line := w.now.String(); line != w.line {
		w.line = line
		w.writeln(wrap(line), w.colour())
	}
	for i := range w.now.Gateways {
		g := &w.now.Gateways[i]
		room := mostReasons
		if g.Stand == standServe {
			room /= 2 // what to know although it serves leaves room for why others do not
		}
		if g.Stand == standSilent || g.Stand == standServe && len(g.Reasons) == 0 || len(w.reasons) >= room {
			continue
		}
		why := string(g.State) + ": " + strings.Join(g.Reasons, "; ")
		if slices.Contains(w.reasons, why) {
			continue
		}
		w.reasons = append(w.reasons, why)
		w.writeln(wrapAt(g.Instance+" "+why, "  "), "")
	}
}

func (w *waiter) writeln(text, colour string) {
	if colour != "" {
		text = colour + text + plain
	}
	fmt.Fprintln(w.out, text)
}

// colour is that of a line, on a terminal.
func (w *waiter) colour() string {
	switch {
	case !w.coloured || len(w.now.Gateways) == 0:
		return ""
	case w.now.Refuse > 0:
		return red
	case w.now.complete():
		return green
	}
	return yellow
}

// answer is what the verb ends with. cause is why the wait is over.
func (w *waiter) answer(waited time.Duration, cause error) error {
	all := len(w.now.Gateways)
	settled := errors.Is(cause, errSettled)
	switch {
	case w.superseded != nil:
		return bad("%s is not live any more, but %s", w.rev, cut(instead(w.superseded), width))
	case w.now.Refuse > 0:
		return bad("%d of %s did not take %s: %s", w.now.Refuse, sidecar.Count(all, "gateway"), w.rev,
			w.now.named(standRefuse))
	case errors.Is(cause, errStopped):
		so := ""
		if w.heard {
			so = " (so far: " + w.now.String() + ")"
		}
		return timeOver("stopped: %s is live, and stays so; gateway fleet tells what becomes of it%s", w.rev, so)
	case all == 0:
		return timeOver("%s is live, and no gateway said within %s what became of it: check that they follow %s, that "+
			"GATEWAY_ACK is not off, and that their tokens may speak", w.rev, waited, w.key)
	case !w.now.complete():
		turns := ""
		if last := w.now.until(); !last.IsZero() {
			turns = "; their turns come until " + date(last) + " (GATEWAY_SPREAD)"
		}
		return timeOver("%d of %s said nothing final of %s within %s: %s%s", w.now.Silent+w.now.Wait,
			sidecar.Count(all, "gateway"), w.rev, waited, w.now.named(standSilent, standWait), turns)
	case w.trial.wanted && !settled:
		return timeOver("all that speak serve %s, and its probation was not over within %s", w.rev, waited)
	case w.trial.wanted && w.trial.begun:
		w.line = ""
		w.writeln("its probation is over", "")
	}
	return nil
}

// instead says what somebody made live in the place of a revision.
func instead(p *consul.Pointer) string {
	switch {
	case p.Rev != "":
		return p.Rev + " by " + p.By
	case p.By != "":
		return "a document that was " + p.By
	}
	return "nothing: the key is gone"
}

// because is what follows a sentence that an error explains.
func because(err error) string {
	if err == nil {
		return ""
	}
	return ": " + err.Error()
}
