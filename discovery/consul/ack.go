package consul

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"golang.org/x/time/rate"

	"github.com/fabian4/gateway-homebrew-go/discovery"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

const (
	// ackTTL is for how long a verdict stays after its gateway was killed, at the least. Consul may take twice as long.
	ackTTL = time.Minute

	// checkEvery is how often a gateway looks whether its verdict is still there. Somebody may have deleted it, or put
	// the store back to what it was before.
	checkEvery = 2 * time.Minute

	// ackSpread is the time over which the gateways of a service write what they have to say about one document.
	ackSpread = 500 * time.Millisecond

	// A verdict that changes on and on is written at once for the first ten times, then once in two seconds. A Consul
	// that comes and goes is asked no more often.
	ackBurst = 10
	ackEvery = 2 * time.Second

	// deniedAgain is when a token without the rights tries once more. Another token tries at once.
	deniedAgain = 5 * time.Minute

	// ackLeave bounds the request that ends the session at the end of the process.
	ackLeave = time.Second
)

// AckStatus is what was said last, for people.
type AckStatus struct {
	Key string `json:"key"`
	Verdict
	WrittenAt time.Time `json:"written_at,omitzero"`
	Error     string    `json:"error,omitempty"` // why it is not written
	Needs     string    `json:"needs,omitempty"` // the right that the token lacks for it
}

// Ack writes what one gateway says of the documents that it sees, for people's verbs to read. It has a session, with
// which the verdict goes away when the gateway does. What goes wrong with it is nobody's trouble: no watch hears of it.
// Its methods may be called from any goroutine; a nil Ack says nothing.
type Ack struct {
	consul *Client
	key    string
	folder string
	name   string // of the session, for people
	ttl    time.Duration
	spread time.Duration
	log    hclog.Logger

	changed chan struct{} // one token: there is another verdict
	again   chan struct{} // one token: the session may be gone, or the rights may be there by now

	// Only the goroutine of Run touches these.
	session   string // empty = none
	renewedAt time.Time
	checkedAt time.Time
	written   []byte                   // what the session holds
	rivalTold bool                     // the log has that another gateway has the same name
	fails     int                      // errors in a row
	said      telemetry.DiscoveryClass // the class of the error that the log has, while there are fails

	mu sync.Mutex
	// +checklocks:mu
	verdict []byte // to be written; nil = there is nothing to say yet
	// +checklocks:mu
	status AckStatus
}

// Ack is the one that writes for an instance of the gateway that follows a key. A client has one at most.
func (c *Client) Ack(key, service, instance string) *Ack {
	folder := ackFolder(key)
	a := &Ack{
		consul: c, key: folder + ackName(instance), folder: folder,
		name: fmt.Sprintf("gateway of %s: %s", service, instance),
		ttl:  ackTTL, spread: ackSpread, log: c.log,
		changed: make(chan struct{}, 1), again: make(chan struct{}, 1),
	}
	a.status.Key = a.key
	c.ack.Store(a)
	return a
}

// Say has v written, if it is another one than before, with the version of the client. It does not wait.
func (a *Ack) Say(v Verdict) {
	if a == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	last := &a.status.Verdict
	if a.verdict != nil && last.Rev == v.Rev && last.State == v.State && last.Since.Equal(v.Since) &&
		last.Until.Equal(v.Until) && last.ProbationUntil.Equal(v.ProbationUntil) &&
		slices.Equal(last.Reasons, v.Reasons) {
		return
	}
	v.Version = a.consul.options.Version
	if v.Reasons == nil {
		v.Reasons = []string{} // a list in JSON, never null
	}
	a.status.Verdict, a.verdict = v, v.encode()
	discovery.Signal(a.changed)
}

// Status is for people; nil where nothing is said.
func (a *Ack) Status() *AckStatus {
	if a == nil {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	st := a.status
	return &st
}

// tryAgain has it look after its session at once: Consul is back, or there is another token.
func (a *Ack) tryAgain() {
	if a != nil {
		discovery.Signal(a.again)
	}
}

// Run writes until ctx ends. Then the session ends, and the verdict with it.
func (a *Ack) Run(ctx context.Context) {
	if a == nil {
		return
	}
	defer a.leave(ctx)
	limiter := newLimiter(ackBurst, ackEvery)
	next := time.NewTimer(a.ttl)
	defer next.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-next.C:
		case <-a.changed:
			if a.fails > 0 {
				continue // it is written with the next attempt
			}
			if a.pause(ctx, limiter) != nil {
				return
			}
		case <-a.again:
			if a.pause(ctx, limiter) != nil {
				return
			}
			a.renewedAt, a.checkedAt = time.Time{}, time.Time{}
		}
		next.Reset(a.turn(ctx))
	}
}

// pause is for many gateways that have something to do at the same moment. They do it one after the other, and each of
// them not too often. The error is that ctx has ended.
func (a *Ack) pause(ctx context.Context, limiter *rate.Limiter) error {
	if err := sleep(ctx, rand.N(a.spread)); err != nil {
		return err
	}
	return limiter.Wait(ctx)
}

// turn does what is to be done now, and tells when to look again.
func (a *Ack) turn(ctx context.Context) time.Duration {
	a.mu.Lock()
	verdict := a.verdict
	a.mu.Unlock()
	if verdict == nil {
		return a.ttl
	}
	missing, err := a.keep(ctx, verdict)
	if errors.Is(err, errNoSession) {
		a.session, a.written = "", nil
		missing, err = a.keep(ctx, verdict)
	}
	if ctx.Err() != nil {
		return a.ttl // the end
	}
	if err != nil {
		return a.failed(ctx, missing, err)
	}
	a.succeeded()
	return jitter(a.ttl * 2 / 3) // of which Consul waits for twice as much
}

// keep sees to it that the session lives and holds the verdict. With an error it names the right that this needs.
func (a *Ack) keep(ctx context.Context, verdict []byte) (needs string, err error) {
	ofSession := rule("session_prefix", "", "write")
	if a.session == "" {
		if a.session, err = a.consul.createSession(ctx, a.name, a.ttl); err != nil {
			return ofSession, err
		}
		a.renewedAt = time.Now()
	} else if time.Since(a.renewedAt) >= a.ttl/3 {
		if err := a.consul.renewSession(ctx, a.session); err != nil {
			return ofSession, err
		}
		a.renewedAt = time.Now()
	}
	if a.written != nil && time.Since(a.checkedAt) >= checkEvery {
		a.check(ctx)
	}
	if bytes.Equal(a.written, verdict) {
		return "", nil
	}
	if err := a.consul.hold(ctx, a.session, a.key, verdict); err != nil {
		return rule("key_prefix", a.folder, "write"), err
	}
	a.written, a.checkedAt = verdict, time.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.status.WrittenAt = time.Now()
	return "", nil
}

// check looks whether the verdict is still there. If not, it is to be written once more.
func (a *Ack) check(ctx context.Context) {
	pair, found, err := a.consul.readKey(ctx, a.key)
	if err == nil && (!found || pair.Session != a.session || !bytes.Equal(pair.Value, a.written)) {
		a.written = nil
		if found && pair.Session != "" && pair.Session != a.session && !a.rivalTold {
			a.rivalTold = true
			a.log.Warn("another gateway says what becomes of documents in our place, set GATEWAY_INSTANCE", "key",
				a.key)
		}
	}
	a.checkedAt = time.Now()
}

// failed notes an error, and tells when to try again. The log has the first of a class.
func (a *Ack) failed(ctx context.Context, needs string, err error) time.Duration {
	a.fails++
	class := classOf(err)
	pause := backoff(class, a.fails)
	switch class {
	case telemetry.DiscoveryACL:
		pause = deniedAgain
		if a.session != "" {
			a.end(ctx) // it may not write what the session is for
		}
	case telemetry.DiscoveryLimit: // all gateways write at once, and none of it is urgent: less often from the first on
		pause, needs = backoff(class, a.fails+refusedOften), ""
	default:
		needs = ""
	}
	switch {
	case a.fails > 1 && a.said == class:
	case needs != "":
		a.log.Info("verdicts are not written, the token lacks a right", "key", a.key, "needs", needs)
	default:
		a.log.Info("verdict is not written yet", "key", a.key, "class", class.String(), "error", err.Error())
	}
	a.said = class
	a.mu.Lock()
	defer a.mu.Unlock()
	a.status.Error, a.status.Needs = err.Error(), needs
	return jitter(pause)
}

func (a *Ack) succeeded() {
	if a.fails > 0 {
		a.log.Info("verdicts are written", "key", a.key, "errors", a.fails)
	}
	a.fails = 0
	a.mu.Lock()
	defer a.mu.Unlock()
	a.status.Error, a.status.Needs = "", ""
}

// leave ends the session when the process ends.
func (a *Ack) leave(ctx context.Context) {
	if a.session != "" {
		a.end(context.WithoutCancel(ctx))
	}
}

// end ends the session. If Consul does not hear of it, the session ends by itself.
func (a *Ack) end(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, ackLeave)
	defer cancel()
	if err := a.consul.destroySession(ctx, a.session); err != nil {
		a.log.Debug("the session of the verdict was not ended", "error", err)
	}
	a.session, a.written = "", nil
}
