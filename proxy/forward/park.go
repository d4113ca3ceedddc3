package forward

import (
	"errors"
	"time"
)

// A request that waits long for the response of an HTTP/1.1 endpoint waits without a goroutine. Its exchange is all
// that is left, and the two connections are parked. Whoever made it wait returns, through all its callers, and touches
// nothing of it any more. The goroutine that goes on, by resume, may be at work already.

// parkAfter is how long a response is waited for with a goroutine, which takes memory but no system calls.
const parkAfter = 25 * time.Millisecond

// errParked is that the exchange is waited for without a goroutine: it may be another one's already.
var errParked = errors.New("parked")

// park has u and the client waited for without a goroutine, if nothing else of the exchange is going on. The wait,
// which ends at limit, must also be one that may be long.
func (ex *exchange) park(u upstream, limit int64) bool {
	if ex.upload.running || ex.upload.sentAt.Load() == 0 {
		return false
	}
	until, long := parkUntil(limit, ex.now())
	if !long {
		return false
	}
	u.SetReadDeadline(until)
	ex.attempt.state = waiting
	if ex.down.Park(u) {
		return true
	}
	ex.attempt.state = inFlight
	return false
}

// parkSilent has u and the client waited for without a goroutine, in the middle of a response whose head has gone out.
// since is when u fell silent, if there is a limit to that, which is what ends the wait. False: it may be short, or
// cannot be had; only memory was given up.
func (ex *exchange) parkSilent(u upstream, since, limit int64) bool {
	ex.fit(u)
	ex.down.Fit()
	until, long := parkUntil(limit, ex.now())
	if !long || ex.upload.running {
		return false
	}
	u.SetReadDeadline(until)
	ex.attempt.state, ex.attempt.since = silent, since
	if ex.down.Park(u) {
		return true
	}
	ex.attempt.state, ex.attempt.since = inFlight, 0
	return false
}

// fit gives up memory before a long wait for the rest of a response whose head has gone out.
func (ex *exchange) fit(u upstream) {
	u.Fit()
	ex.dropHead(u)
	ex.resp.Fields = nil
}

// dropHead gives up the lines of the response's head, which has gone out, and what they lie in.
func (ex *exchange) dropHead(u upstream) {
	u.DropHead()
	ex.resp.DropFields()
}

// parkUnread has the client waited for without a goroutine, while it takes no more of the response. Of that, the last
// n bytes that u has handed out are left. They, and little else, are held meanwhile: the head
// of the response has gone out. False: there is nothing to wait for, and u hands them out again.
func (ex *exchange) parkUnread(u upstream, n int) bool {
	u.Return(n)
	ex.fit(u)
	ex.attempt.state = unread
	if ex.down.ParkUnread() {
		return true
	}
	ex.attempt.state = inFlight
	return false
}
