package forward

import (
	"errors"
	"math/rand/v2"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/netio"
)

// turnedAway is what is known of connections to an endpoint that ended, or took no more streams, before a response came
// on one of them. The endpoint accepts connections, and no requests. Without a pause each request would connect again
// and again for as long as it may wait.
type turnedAway struct {
	all    int   // ever
	inARow int   // since the last one on which a response came
	last   int64 // when the last one was noticed, on the sweeper's clock
}

const (
	// firstTurns is how many connections in a row may turn away before those after them are paced. One is no sign: the
	// endpoint may have begun to drain when the connection was made.
	firstTurns = 2

	// turnsOfRequest is how many connections a request sees turn away before it fails. Once there were patientTurns in
	// a row one is enough.
	turnsOfRequest = 2
	patientTurns   = 4

	firstPause, longestPause = 25 * time.Millisecond, 250 * time.Millisecond

	// turnsForgotten is after how long the endpoint may be another.
	turnsForgotten = 30 * time.Second
)

// errTurnedAway is of a request that found connections on which the endpoint takes no request. Nothing was sent of it.
var errTurnedAway error = &netio.ConnectError{
	Err: errors.New("the endpoint ends each HTTP/2 connection before it responds to a request"),
}

// note counts one more.
func (t *turnedAway) note(now int64) {
	if now-t.last > int64(turnsForgotten) {
		t.inARow = 0
	}
	t.all++
	t.inARow++
	t.last = now
}

// enough tells whether a request that came when there had been so many need not wait for another connection.
func (t *turnedAway) enough(before int) bool {
	seen := t.all - before
	return seen >= turnsOfRequest || seen > 0 && t.inARow >= patientTurns
}

// pause is the longest time from the last one until the next connection. It doubles, up to a bound.
func (t *turnedAway) pause() time.Duration {
	if t.inARow < firstTurns {
		return 0
	}
	return min(firstPause<<min(t.inARow-firstTurns, 16), longestPause)
}

// wait is how much of the pause is left. It is drawn anew each time: gateways do not come at the same moment.
func (t *turnedAway) wait(now int64) time.Duration {
	p := t.pause()
	if p == 0 {
		return 0
	}
	return max(0, p/2+rand.N(p/2+1)-time.Duration(now-t.last))
}
