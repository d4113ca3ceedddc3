package forward

import (
	"errors"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/cluster"
	"github.com/fabian4/gateway-homebrew-go/proxy/route"
)

// A password that nobody has brought before is checked by the goroutine of its exchange: never by one that reads for
// other requests too. One is checked at a time, and behind one that was wrong the place stays taken for as long as the
// check took. So whoever guesses gets half of a processor, and no more. What was right once is not checked again, and
// waits for nobody.

// The bounds of those that wait for their check.
const (
	passwordsWaiting = 32
	passwordsWait    = time.Second
)

func newPasswordQueue() *cluster.Queue {
	return cluster.NewQueue(cluster.QueueOptions{Concurrency: 1, Waiting: passwordsWaiting, Timeout: passwordsWait})
}

// checkPassword checks the password of a request where that was left open. The reply is for one that is not let in.
func (ex *exchange) checkPassword() *route.LocalReply {
	q := ex.engine.passwords
	err := q.Enter(ex.engine.ctx, ex.whileWaiting())
	var reply *route.LocalReply
	switch {
	case err == nil:
	case errors.As(err, &reply):
		return reply
	case errors.Is(err, cluster.ErrOverflow):
		return route.ReplyBusy
	default:
		return ReplyGone // the server cuts what is left
	}
	rest := time.Duration(0)
	defer func() { // also behind a panic
		if rest == 0 {
			q.Leave()
			return
		}
		time.AfterFunc(rest, q.Leave)
	}()
	begun := time.Now()
	reply, wrong := ex.decision.CheckPassword(&ex.req, &ex.work.Workspace)
	if wrong {
		rest = time.Since(begun)
	}
	return reply
}
