package forward

import (
	"testing"
	"time"
)

// Moments of the tables below. Each timeout of a row is told from its neighbours by its length.
const (
	t0    = int64(100 * time.Second)
	ms    = int64(time.Millisecond)
	never = int64(0)
)

func TestEarlier(t *testing.T) {
	for _, tt := range []struct{ a, b, want int64 }{
		{never, never, never}, {5, never, 5}, {never, 5, 5}, {5, 6, 5}, {6, 5, 5}, {5, 5, 5},
	} {
		if got := Earlier(tt.a, tt.b); got != tt.want {
			t.Errorf("Earlier(%d, %d) = %d, want %d", tt.a, tt.b, got, tt.want)
		}
	}
}

func TestPassed(t *testing.T) {
	for _, tt := range []struct {
		at, now int64
		want    bool
	}{
		{never, t0, false}, {never, 0, false}, {t0, t0 - 1, false}, {t0, t0, true}, {t0, t0 + 1, true},
	} {
		if got := Passed(tt.at, tt.now); got != tt.want {
			t.Errorf("Passed(%d, %d) = %v, want %v", tt.at, tt.now, got, tt.want)
		}
	}
}

// The head of a response is waited for until the first of four moments. Three are the request's deadline,
// timeouts.upstream from the end of the request, and per_try_timeout from the begin of the attempt. The fourth is a
// second from the client's half-close.
func TestHeadWait(t *testing.T) {
	const upstream, perTry = 300 * time.Millisecond, 200 * time.Millisecond
	for _, tt := range []struct {
		name string
		wait HeadWait
		want int64
	}{
		{"nothing is set", HeadWait{}, never},
		{"no timeout, moments that begin none", HeadWait{Begun: t0, AttemptStart: t0}, never},
		{"upstream counts from the end of the request",
			HeadWait{Begun: t0, Timeout: upstream, AttemptStart: t0 - 50*ms}, t0 + 300*ms},
		{"upstream does not count before the end of the request", HeadWait{Timeout: upstream, AttemptStart: t0}, never},
		{"upstream of 0 is never", HeadWait{Begun: t0, Timeout: 0}, never},
		{"per try counts from the begin of the attempt", HeadWait{Begun: t0, AttemptStart: t0 - 50*ms, PerTry: perTry},
			t0 + 150*ms},
		{"per try counts while the request is sent", HeadWait{Timeout: upstream, AttemptStart: t0, PerTry: perTry}, t0 +
			200*ms},
		{"per try of 0 is never", HeadWait{AttemptStart: t0, PerTry: 0}, never},
		{"the deadline alone", HeadWait{Deadline: t0 + 7}, t0 + 7},
		{"the deadline counts while the request is sent",
			HeadWait{Deadline: t0 + 7, Timeout: upstream, AttemptStart: t0}, t0 + 7},
		{"a deadline that has passed", HeadWait{Deadline: t0 - 7, Begun: t0, Timeout: upstream}, t0 - 7},
		{"half-closed: a second", HeadWait{HalfClosed: t0}, t0 + 1000*ms},
		{"half-closed does not prolong", HeadWait{HalfClosed: t0, Begun: t0, Timeout: upstream}, t0 + 300*ms},
		{"upstream before per try", HeadWait{Begun: t0, Timeout: 100 * time.Millisecond, AttemptStart: t0,
			PerTry: perTry}, t0 + 100*ms},
		{"per try before upstream", HeadWait{Begun: t0, Timeout: upstream, AttemptStart: t0, PerTry: perTry}, t0 +
			200*ms},
		{"the deadline is first of all", HeadWait{t0 + 1*ms, t0, upstream, t0, perTry, t0}, t0 + 1*ms},
		{"the half-close is first of all", HeadWait{t0 + 900*ms, t0, upstream, t0, perTry, t0 - 999*ms}, t0 + 1*ms},
		{"the deadline is last of all", HeadWait{t0 + 9000*ms, t0, upstream, t0, perTry, t0}, t0 + 200*ms},
	} {
		if got := tt.wait.Until(); got != tt.want {
			t.Errorf("%s: until %v, want %v", tt.name, time.Duration(got-t0), time.Duration(tt.want-t0))
		}
	}
}

// timeouts.connect is cut short by the deadline of the request and by per_try_timeout, not prolonged by them.
// A request is parked until a second before its wait ends: so late it may be told.
func TestParkUntil(t *testing.T) {
	for _, tt := range []struct {
		limit, until int64
		long         bool
	}{
		{never, never, true},
		{t0 + 60_000*ms, t0 + 59_000*ms, true},
		{t0 + 2_000*ms, t0 + 1_000*ms, true},
		{t0 + 2_000*ms - 1, t0 + 1_000*ms - 1, false},
		{t0, t0 - 1_000*ms, false},
	} {
		if until, long := parkUntil(tt.limit, t0); until != tt.until || long != tt.long {
			t.Errorf("parkUntil(%d) = %d, %v, want %d, %v", tt.limit, until, long, tt.until, tt.long)
		}
	}
}

func TestConnectWithin(t *testing.T) {
	const connect = 2 * time.Second
	for _, tt := range []struct {
		name         string
		deadline     int64
		attemptStart int64
		perTry       time.Duration
		within       time.Duration
		until        int64
	}{
		{"nothing else is set", never, t0, 0, connect, never},
		{"a later deadline", t0 + 3000*ms, t0, 0, connect, t0 + 3000*ms},
		{"an earlier deadline", t0 + 300*ms, t0, 0, 300 * time.Millisecond, t0 + 300*ms},
		{"a deadline that has passed", t0 - 5*ms, t0, 0, -5 * time.Millisecond, t0 - 5*ms},
		{"a deadline that falls due now", t0, t0, 0, 0, t0},
		{"a shorter per try", never, t0, time.Second, time.Second, t0 + 1000*ms},
		{"a longer per try", never, t0, 3 * time.Second, connect, t0 + 3000*ms},
		{"per try counts from the begin of the attempt", never, t0 - 400*ms, time.Second, 600 * time.Millisecond, t0 +
			600*ms},
		{"per try before the deadline", t0 + 1500*ms, t0, time.Second, time.Second, t0 + 1000*ms},
		{"the deadline before per try", t0 + 500*ms, t0, time.Second, 500 * time.Millisecond, t0 + 500*ms},
	} {
		within, until := connectWithin(t0, tt.deadline, tt.attemptStart, tt.perTry, connect)
		if within != tt.within || until != tt.until {
			t.Errorf("%s: within %v until %d, want %v and %d", tt.name, within, until, tt.within, tt.until)
		}
	}
}

// timeouts.read bounds the client's silence inside a request body, until the response has begun. A caller of gRPC may
// be silent for as long as it likes, and so may a client that waits for a 100 (Continue).
func TestBodyWait(t *testing.T) {
	const read = 400 * time.Millisecond
	for _, tt := range []struct {
		name    string
		wait    BodyWait
		at      int64
		patient bool
	}{
		{"a silent client", BodyWait{Read: read}, t0 + 400*ms, false},
		{"read of 0 is never", BodyWait{}, never, false},
		{"gRPC", BodyWait{Read: read, GRPC: true}, never, true},
		{"behind the head of the response", BodyWait{Read: read, Answered: true}, never, true},
		{"expecting a 100", BodyWait{Read: read, Unprompted: true}, t0 + 400*ms, true},
		{"gRPC, expecting a 100", BodyWait{Read: read, GRPC: true, Unprompted: true}, never, true},
		{"behind the head, expecting a 100", BodyWait{Read: read, Answered: true, Unprompted: true}, never, true},
	} {
		if at, patient := tt.wait.Until(t0); at != tt.at || patient != tt.patient {
			t.Errorf("%s: at %d, patient %v; want %d, %v", tt.name, at, patient, tt.at, tt.patient)
		}
	}
}

// timeouts.response_idle bounds the endpoint's silence inside a response body, the deadline all of it.
func TestResponseWait(t *testing.T) {
	const idle = 500 * time.Millisecond
	for _, tt := range []struct {
		name   string
		wait   ResponseWait
		silent int64
		want   int64
	}{
		{"nothing is set", ResponseWait{}, t0, never},
		{"a silent endpoint", ResponseWait{Idle: idle}, t0, t0 + 500*ms},
		{"the client takes nothing", ResponseWait{Idle: idle}, never, never},
		{"the client takes nothing, with a deadline", ResponseWait{Deadline: t0 + 7, Idle: idle}, never, t0 + 7},
		{"idle of 0 is never", ResponseWait{Idle: 0}, t0, never},
		{"the deadline alone", ResponseWait{Deadline: t0 + 7}, t0, t0 + 7},
		{"the deadline is first", ResponseWait{t0 + 499*ms, idle}, t0, t0 + 499*ms},
		{"the idle timeout is first", ResponseWait{t0 + 501*ms, idle}, t0, t0 + 500*ms},
	} {
		if got := tt.wait.Until(tt.silent); got != tt.want {
			t.Errorf("%s: until %d, want %d", tt.name, got, tt.want)
		}
	}
}

func TestProvenAt(t *testing.T) {
	if got, want := ProvenAt(t0), t0+1000*ms; got != want {
		t.Errorf("ProvenAt = %d, want a second later, %d", got, want)
	}
}

// A client that ends its side after a whole request has a second for a response to begin.
func TestHalfClosedTooLong(t *testing.T) {
	for _, tt := range []struct {
		at, now int64
		want    bool
	}{
		{never, t0, false}, {t0, t0, false}, {t0, t0 + 1000*ms - 1, false}, {t0, t0 + 1000*ms, true},
		{t0, t0 + 2000*ms, true},
	} {
		if got := halfClosedTooLong(tt.at, tt.now); got != tt.want {
			t.Errorf("half-closed at %d, now %d: given up %v, want %v", tt.at, tt.now, got, tt.want)
		}
	}
}
