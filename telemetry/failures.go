package telemetry

import (
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	// keptFailures is how many the ring holds.
	keptFailures = 200
	// failuresPerSecond bounds what is taken of one flag: a flood of one kind must neither cost traffic nor push
	// everything else out within a second.
	failuresPerSecond = 10
	// failureTextBytes bounds each text of a failure, failureAttempts its attempts.
	failureTextBytes = 256
	failureAttempts  = 8
)

// Attempt is one attempt to have a request answered, or to connect to an endpoint, as it ended.
type Attempt struct {
	Endpoint   string
	After      time.Duration // from the first byte of the request to the beginning of the attempt
	Took       time.Duration
	Status     int // 0: no response head came
	GRPCStatus int
	GRPC       bool // GRPCStatus is known
	Flag       Flag
	Cause      error // what went wrong; nil: nothing, or the status says it
	Ejected    bool  // passive health took the endpoint out because of it
}

// Failure is a request or an L4 connection that failed or was slow. The names are those of the access log. A query is
// not kept: it may have secrets in it.
type Failure struct {
	Time       time.Time       `json:"time"`
	RequestID  string          `json:"request_id,omitempty"`
	TraceID    string          `json:"trace_id,omitempty"`
	Protocol   string          `json:"protocol"`
	Method     string          `json:"method,omitempty"`
	Host       string          `json:"host,omitempty"`
	Path       string          `json:"path,omitempty"`
	Status     int             `json:"status,omitempty"`
	GRPCStatus *int            `json:"grpc_status,omitempty"`
	Flag       string          `json:"flag,omitempty"`
	Reason     string          `json:"reason,omitempty"`
	Slow       bool            `json:"slow,omitempty"`
	DurationMS float64         `json:"duration_ms"`
	RemoteIP   string          `json:"remote_ip,omitempty"`
	Listener   string          `json:"listener"`
	Route      string          `json:"route,omitempty"`
	Cluster    string          `json:"cluster,omitempty"`
	Revision   string          `json:"revision"`
	Attempts   []FailedAttempt `json:"attempts"`

	flag Flag
}

// FailedAttempt is an attempt of a [Failure].
type FailedAttempt struct {
	Upstream   string  `json:"upstream"`
	AfterMS    float64 `json:"after_ms"`
	DurationMS float64 `json:"duration_ms"`
	Status     int     `json:"status,omitempty"`
	GRPCStatus *int    `json:"grpc_status,omitempty"`
	Flag       string  `json:"flag,omitempty"`
	Reason     string  `json:"reason,omitempty"`
}

// Failures keeps the last requests and connections that failed or were slow. It is safe from any goroutine. Its memory
// is bounded: 200 failures with texts of at most 256 bytes and at most 8 attempts each.
type Failures struct {
	mu sync.Mutex
	// +checklocks:mu
	kept []Failure // the oldest first
	// +checklocks:mu
	leftOut uint64
	// +checklocks:mu
	second int64
	// +checklocks:mu
	taken [numFlags]int // within second
}

// Add keeps what r and attempts tell, unless too many of its flag have come within the second. Nothing of r is kept.
func (f *Failures) Add(r *Record, attempts []Attempt) {
	if !f.admits(r) {
		return
	}
	n := newFailure(r, attempts)
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.kept) == keptFailures {
		i := f.victim()
		f.kept = slices.Delete(f.kept, i, i+1)
	}
	f.kept = append(f.kept, n)
}

func (f *Failures) admits(r *Record) bool {
	second := r.Time.Add(r.Duration).Unix()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.second != second {
		f.second = second
		clear(f.taken[:])
	}
	if f.taken[r.Flag] == failuresPerSecond {
		f.leftOut++
		return false
	}
	f.taken[r.Flag]++
	return true
}

// victim is the oldest one of the flag of which there are most: what is rare stays longer.
//
// +checklocks:f.mu
func (f *Failures) victim() int {
	var count, first [numFlags]int
	for i := range f.kept {
		flag := f.kept[i].flag
		if count[flag]++; count[flag] == 1 {
			first[flag] = i
		}
	}
	most := 0
	for flag := range count {
		if count[flag] > count[most] {
			most = flag
		}
	}
	return first[most]
}

// Last returns at most n failures, the newest first, and how many were not kept since the start because too many came
// at once. The caller owns them.
func (f *Failures) Last(n int) (all []Failure, leftOut uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n = min(n, len(f.kept))
	all = slices.Clone(f.kept[len(f.kept)-n:])
	slices.Reverse(all)
	return all, f.leftOut
}

// ByID is Last of all failures with one request id.
func (f *Failures) ByID(id string) (all []Failure, leftOut uint64) {
	all, leftOut = f.Last(keptFailures)
	return slices.DeleteFunc(all, func(one Failure) bool { return one.RequestID != id }), leftOut
}

func newFailure(r *Record, attempts []Attempt) Failure {
	n := Failure{
		Time: r.Time.UTC(), RequestID: bounded(r.RequestID), TraceID: bounded(r.TraceID), Protocol: r.Protocol,
		Method: bounded(r.Method), Host: bounded(r.Host), Path: bounded(r.Path), Status: r.Status,
		Flag: r.Flag.String(), Slow: r.Slow, DurationMS: millis(r.Duration), RemoteIP: r.Peer, Listener: r.Listener,
		Route: r.Route, Cluster: r.Cluster, Revision: r.Revision, Reason: reasonText(r.Reason), flag: r.Flag,
		Attempts: make([]FailedAttempt, 0, min(len(attempts), failureAttempts)),
	}
	if r.RemoteIP != nil {
		n.RemoteIP = string(r.RemoteIP)
	}
	if r.GRPC {
		n.GRPCStatus = new(r.GRPCStatus)
	}
	for _, t := range attempts[max(0, len(attempts)-failureAttempts):] {
		a := FailedAttempt{
			Upstream: t.Endpoint, AfterMS: millis(t.After), DurationMS: millis(t.Took), Status: t.Status,
			Flag: t.Flag.String(), Reason: reasonText(t.Cause),
		}
		if t.GRPC {
			a.GRPCStatus = new(t.GRPCStatus)
		}
		n.Attempts = append(n.Attempts, a)
	}
	return n
}

// bounded is a text of the bound's length at most, in UTF-8.
func bounded[T string | []byte](text T) string {
	if len(text) > failureTextBytes {
		return strings.ToValidUTF8(string(text[:failureTextBytes]), "") + "..."
	}
	return strings.ToValidUTF8(string(text), "\uFFFD")
}

func reasonText(err error) string {
	if err == nil {
		return ""
	}
	return bounded(err.Error())
}

// millis is d in milliseconds, to the microsecond.
func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
