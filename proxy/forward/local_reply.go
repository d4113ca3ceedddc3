package proxy

import (
	"errors"
	"strconv"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/cluster"
	"github.com/fabian4/gateway-homebrew-go/internal/netio"
	"github.com/fabian4/gateway-homebrew-go/proxy/http1"
	"github.com/fabian4/gateway-homebrew-go/proxy/http2"
	"github.com/fabian4/gateway-homebrew-go/proxy/message"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// fault is an answer that we give ourselves, and why. The text is all that a client gets to know.
type fault struct {
	status int
	flag   telemetry.Flag
	text   string
	cause  error // for the log; may be nil
}

func (f *fault) Error() string {
	if f.cause != nil {
		return f.cause.Error()
	}
	return f.text
}

// Unwrap is the cause, in which a peer's own error code may lie.
func (f *fault) Unwrap() error { return f.cause }

// The faults without a cause worth telling.
var (
	faultNoRoute  = &fault{status: 404, flag: telemetry.NR, text: "no route"}
	faultPath     = &fault{status: 400, flag: telemetry.DPE, text: "malformed path"}
	faultConnect  = &fault{status: 405, flag: telemetry.DPE, text: "CONNECT is not supported"}
	faultMaxBody  = &fault{status: 413, flag: telemetry.DPE, text: "request body is too large"}
	faultSlowHead = &fault{status: 408, flag: telemetry.DPE, text: "request head took too long"}
	faultSlowBody = &fault{status: 408, flag: telemetry.DPE, text: "request body took too long"}
	// Both sides say how large a head or trailer section they take (SETTINGS_MAX_HEADER_LIST_SIZE). What is larger is no fault of the endpoint's.
	faultLargeRequest = &fault{status: 431, flag: telemetry.DPE, text: "request head is larger than the endpoint takes"}
	faultLargeAnswer  = &fault{status: 502, flag: telemetry.DPE, text: "answer head is larger than the client takes"}
	faultGone         = &fault{status: 499, flag: telemetry.DC, text: "client went away"}
	faultTimeout      = &fault{status: 504, flag: telemetry.UT, text: "upstream timeout"}
	// The same to the client, but no endpoint is to blame: the time that was up was the client's own, or was up before one was asked.
	faultDeadline = &fault{status: 504, flag: telemetry.UT, text: "upstream timeout"}
	// The answer says, in Retry-After, how long exchange.retryIn is.
	faultRateLimited = &fault{status: 429, flag: telemetry.RL, text: "rate limited"}
	faultNoCluster   = &fault{status: 503, flag: telemetry.UH, text: "no healthy upstream"}
)

// badRequest is the fault for a request that the codec refused.
func badRequest(e *http1.Error) *fault {
	return &fault{status: e.Status, flag: telemetry.DPE, text: e.Text}
}

// noEndpoint is the fault for what Pick and lease return.
func noEndpoint(err error) *fault {
	if errors.Is(err, cluster.ErrOverflow) {
		return &fault{status: 503, flag: telemetry.UO, text: "upstream limit reached"}
	}
	return faultNoCluster
}

// upstreamFault sorts what went wrong on an upstream connection before the answer began.
func upstreamFault(err error) *fault {
	var connect *connectError
	switch {
	case errors.Is(err, cluster.ErrOverflow), errors.Is(err, cluster.ErrNoEndpoint):
		return noEndpoint(err)
	case errors.Is(err, http2.ErrNoCapacity):
		return &fault{503, telemetry.UO, "upstream limit reached", err}
	case errors.As(err, &connect) && connect.Ours:
		return &fault{503, telemetry.UO, "upstream limit reached", err}
	case errors.As(err, &connect):
		return &fault{502, telemetry.UF, "upstream connect failed", err}
	case malformed(err):
		return &fault{502, telemetry.UPE, "malformed upstream response", err}
	case errors.Is(err, netio.ErrTimeout):
		return faultTimeout
	case errors.Is(err, http2.ErrStalled):
		return &fault{504, telemetry.UT, "upstream timeout", err}
	case errors.Is(err, http2.ErrHeadTooLarge):
		return faultLargeRequest
	case unprocessed(err):
		return &fault{503, telemetry.UC, "upstream did not take the request", err} // it may well be sent again
	}
	return &fault{502, telemetry.UC, "upstream broke off", err}
}

// late says what a timeout, or an endpoint that broke off, is after the request's deadline: with grpc-timeout both ends have the same one, so
// breaking off then is keeping it. How long a client is ready to wait says nothing about the endpoint; how long the route lets it take does.
func (ex *exchange) late(f *fault) *fault {
	switch {
	case f.flag != telemetry.UC && f.flag != telemetry.UT || ex.deadline == 0 || ex.now() < ex.deadline:
		return f
	case ex.clients:
		return faultDeadline
	}
	return faultTimeout
}

// outcome is what a fault says about the endpoint.
func (f *fault) outcome() cluster.Outcome {
	if f == faultDeadline || unprocessed(f.cause) {
		return cluster.Ignored
	}
	switch f.flag {
	case telemetry.UF:
		return cluster.ConnectFailure
	case telemetry.UC:
		return cluster.Reset
	case telemetry.UT:
		return cluster.Timeout
	case telemetry.UPE:
		return cluster.Malformed
	case telemetry.UO:
		return cluster.Overflow
	case telemetry.DC, telemetry.DPE:
		return cluster.ClientGone
	}
	return cluster.Ignored
}

// answerFault tells the client, if it can still be told, and notes the fault for the record.
func (ex *exchange) answerFault(f *fault) {
	ex.flag, ex.reason = f.flag, f
	ex.s.registry.Fault(f.flag).Inc()
	if ex.d.Began() {
		if ex.grpc {
			ex.grpcStatus = grpcCode(f) // which is what a caller makes of a reset
		}
		ex.closing = true
		ex.d.Abort()
		return
	}
	ex.faultStatus(f)
	if !ex.skipBody() {
		ex.closing = true
	}
	if f.flag == telemetry.DC {
		ex.closing = true
		ex.d.Abort()
		return
	}
	h := &ex.resp
	h.Reset()
	ex.faultHead(h, f)
	body := []byte(f.text + "\n")
	if h.Body == message.NoBody {
		body = nil
	}
	if err := ex.d.Begin(ex, h); err == nil && body != nil {
		_ = ex.d.Body(body) // gathered, not written: End tells
	}
	if err := ex.d.End(nil); err != nil {
		ex.closing = true
	}
}

// faultStatus notes what the client gets for a status: of gRPC there are two.
func (ex *exchange) faultStatus(f *fault) {
	ex.status = f.status
	if ex.grpc {
		ex.status, ex.grpcStatus = 200, grpcCode(f)
	}
}

// dateFormat is that of HTTP (RFC 9110 section 5.6.7), for times in UTC.
const dateFormat = "Mon, 02 Jan 2006 15:04:05 GMT"

// faultHead builds the head of the answer. Callers of gRPC get a trailers-only answer with the status that gRPC maps to.
func (ex *exchange) faultHead(h *message.Head, f *fault) {
	h.Version, h.Status = message.HTTP11, f.status
	h.Buf = h.Buf[:0]
	if ex.grpc {
		h.Status = 200
		h.Append([]byte("Content-Type"), []byte("application/grpc"))
		h.Append([]byte("Grpc-Status"), strconv.AppendInt(nil, int64(grpcCode(f)), 10))
		h.Append([]byte("Grpc-Message"), []byte(f.text))
		h.Append([]byte("Content-Length"), []byte("0"))
		h.Body = message.NoBody
		return
	}
	var date [len(dateFormat)]byte
	h.Append([]byte("Date"), time.Now().UTC().AppendFormat(date[:0], dateFormat))
	if f == faultConnect { // RFC 9110 section 15.5.6; an endpoint may know others, and it may refuse some of these
		h.Append([]byte("Allow"), []byte("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, TRACE"))
	}
	if f == faultRateLimited {
		seconds := (ex.retryIn + time.Second - 1) / time.Second
		h.Append([]byte("Retry-After"), strconv.AppendInt(nil, int64(seconds), 10))
	}
	h.Append([]byte("Content-Type"), []byte("text/plain; charset=utf-8"))
	h.Append([]byte("Content-Length"), strconv.AppendInt(nil, int64(len(f.text)+1), 10))
	h.Body, h.ContentLength = message.Sized, int64(len(f.text)+1)
	if ex.head {
		h.Body = message.NoBody
	}
}
