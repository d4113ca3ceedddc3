package forward

// recover is deferred around an exchange. A panic is a fault of ours, which ends this exchange and its connections and
// must not end the others. It is logged with its stack, counted and recorded. The buffers that the exchange had are
// lost to their pools. Nobody knows whether they have been given back already, and memory that two share would be
// worse.
func (ex *exchange) recover() {
	p := recover()
	if p == nil {
		return // ex may be another goroutine's already
	}
	if ex.engine.recovered(p) {
		ex.giveUp()
	}
}

// giveUp ends an exchange that has panicked: nothing that it held is lost to others.
func (ex *exchange) giveUp() {
	recorded := ex.state == recorded
	ex.state, ex.closing = panicked, true
	ex.giveBack()
	ex.record.EndActive()
	ex.attempt.abandon()
	ex.down.Abort(nil)
	ex.recordPanic(recorded)
	ex.upload.dropCopy()
}

// recordPanic waits for the uploading goroutine, whose two connections are gone, and records the exchange, if that is
// not what panicked.
func (ex *exchange) recordPanic(recorded bool) {
	defer func() { _ = recover() }() // it may be broken enough to panic again
	ex.upload.abandon()
	if recorded {
		return
	}
	if ex.record.Status == 0 {
		ex.record.Status = 500 // what it would have been: the client sees a reset
	}
	ex.finish()
	ex.state = panicked
}
