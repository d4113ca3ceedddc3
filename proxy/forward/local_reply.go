package forward

import (
	"errors"
	"strconv"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/cluster"
	"github.com/fabian4/gateway-homebrew-go/internal/netio"
	"github.com/fabian4/gateway-homebrew-go/proxy/http1"
	"github.com/fabian4/gateway-homebrew-go/proxy/http2"
	"github.com/fabian4/gateway-homebrew-go/proxy/message"
	"github.com/fabian4/gateway-homebrew-go/proxy/route"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// The local replies without a cause worth telling. Those of a decision are in package route.
var (
	ReplySlowBody = &route.LocalReply{Status: 408, Flag: telemetry.DPE, Text: "request body took too long"}
	ReplyGone     = &route.LocalReply{Status: 499, Flag: telemetry.DC, Text: "client went away"}
	ReplyTimeout  = &route.LocalReply{Status: 504, Flag: telemetry.UT, Text: "upstream timeout"}
	// ReplyLargeRequest and ReplyLargeResponse: both sides say how large a head or trailer section they take
	// (SETTINGS_MAX_HEADER_LIST_SIZE). What is larger is no fault of the endpoint's.
	ReplyLargeRequest = &route.LocalReply{
		Status: 431, Flag: telemetry.DPE, Text: "request head is larger than the endpoint takes",
	}
	ReplyLargeResponse = &route.LocalReply{
		Status: 502, Flag: telemetry.DPE, Text: "answer head is larger than the client takes",
	}

	// replyUnknown is route.ReplyNoCluster where the catalog has not said which endpoints there are.
	replyUnknown = &route.LocalReply{
		Status: 503, Flag: telemetry.UH, Text: route.ReplyNoCluster.Text, Cause: cluster.ErrUnknown,
	}

	replyLargeHead = BadRequest(http1.ErrHeadTooLarge)
	replySlowHead  = &route.LocalReply{Status: 408, Flag: telemetry.DPE, Text: "request head took too long"}
	// replyDeadline is ReplyTimeout to the client, but it is no fault of an endpoint's. The time that was up was the
	// client's own, or was up before one was asked.
	replyDeadline = &route.LocalReply{Status: 504, Flag: telemetry.UT, Text: "upstream timeout"}
	// replyCut stands for ReplyGone, and others of its flag, in the record of a request whose connection we have cut.
	replyCut = &route.LocalReply{Status: 503, Flag: telemetry.LR, Text: "cut off at the end of a drain"}
	// replyPanic stands for a panic of ours in the middle of a request.
	replyPanic = &route.LocalReply{Status: 500, Flag: telemetry.NoFlag, Text: "internal error"}
	// replyRetry stands for a response that is not passed on because the request is sent again.
	replyRetry = &route.LocalReply{Status: 503, Flag: telemetry.UC, Text: "upstream answered with an error"}
)

// BadRequest is the reply to a request that the codec refused.
func BadRequest(e *http1.Error) *route.LocalReply {
	return &route.LocalReply{Status: e.Status, Flag: telemetry.DPE, Text: e.Text}
}

// noEndpoint is the reply for what Pick, Await and a lease return.
func noEndpoint(err error) *route.LocalReply {
	switch {
	case errors.Is(err, cluster.ErrOverflow):
		return &route.LocalReply{Status: 503, Flag: telemetry.UO, Text: "upstream limit reached"}
	case errors.Is(err, cluster.ErrUnknown):
		return replyUnknown
	}
	return route.ReplyNoCluster
}

// UpstreamReply sorts what went wrong on an upstream connection before the response began.
func UpstreamReply(err error) *route.LocalReply {
	var connect *netio.ConnectError
	switch {
	case errors.Is(err, errNoStream), errors.Is(err, http2.ErrNoCapacity):
		return &route.LocalReply{Status: 503, Flag: telemetry.UO, Text: "upstream limit reached", Cause: err}
	case errors.Is(err, cluster.ErrOverflow), errors.Is(err, cluster.ErrNoEndpoint):
		return noEndpoint(err)
	case errors.As(err, &connect) && connect.Ours:
		return &route.LocalReply{Status: 503, Flag: telemetry.UO, Text: "upstream limit reached", Cause: err}
	case errors.As(err, &connect):
		return &route.LocalReply{Status: 502, Flag: telemetry.UF, Text: "upstream connect failed", Cause: err}
	case malformed(err):
		return &route.LocalReply{Status: 502, Flag: telemetry.UPE, Text: "malformed upstream response", Cause: err}
	case errors.Is(err, netio.ErrTimeout):
		return ReplyTimeout
	case errors.Is(err, http2.ErrStalled):
		return &route.LocalReply{Status: 504, Flag: telemetry.UT, Text: "upstream timeout", Cause: err}
	case errors.Is(err, http2.ErrHeadTooLarge):
		return ReplyLargeRequest
	case Unprocessed(err): // it may well be sent again
		return &route.LocalReply{Status: 503, Flag: telemetry.UC, Text: "upstream did not take the request", Cause: err}
	}
	return &route.LocalReply{Status: 502, Flag: telemetry.UC, Text: "upstream broke off", Cause: err}
}

// Unprocessed tells that the endpoint has said that it did nothing with a request (RFC 9113 section 8.7). The request
// can be sent again, whatever it is.
func Unprocessed(cause error) bool { return errors.Is(cause, http2.ErrUnprocessed) }

// Late says what a timeout, or an endpoint that broke off, is after the deadline of the request. With grpc-timeout
// both ends have the same deadline, so breaking off then is keeping it. How long a client is ready to wait says
// nothing about the endpoint; how long the route lets it take does.
func Late(r *route.LocalReply, d *route.Decision, now int64) *route.LocalReply {
	switch {
	case r.Flag != telemetry.UC && r.Flag != telemetry.UT || !Passed(d.Deadline, now):
		return r
	case d.ClientDeadline:
		return replyDeadline
	}
	return ReplyTimeout
}

// Outcome is what a local reply says about the endpoint.
func Outcome(r *route.LocalReply) cluster.Outcome {
	switch {
	case errors.Is(r.Cause, http2.ErrTurnedAway):
		return cluster.Reset
	case r == replyDeadline || Unprocessed(r.Cause):
		return cluster.Ignored
	}
	switch r.Flag {
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

// ResponseOutcome is what a response with that status, and that gRPC status, says about the endpoint. f are the
// statuses that speak against it. A gRPC status counts as the one of HTTP that it stands for.
func ResponseOutcome(f *route.FailureStatuses, status, grpcStatus int) cluster.Outcome {
	switch meant := grpcMeans(grpcStatus); {
	case status >= 500 && f.Has(status), meant >= 500 && f.Has(meant):
		return cluster.ServerError
	case f.Has(status), f.Has(meant):
		return cluster.FailureStatus
	}
	return cluster.Success
}

// dateFormat is that of HTTP (RFC 9110 section 5.6.7), for times in UTC.
const dateFormat = "Mon, 02 Jan 2006 15:04:05 GMT"

// maxRequestID bounds the id of a client's own that a response of the gateway repeats, in bytes.
const maxRequestID = 256

// appendRequestID names the request in a response of the gateway's, as the access log does. An id that is longer than
// any that is used for that is not repeated. The client may not take a head as large as its own.
func appendRequestID(h *message.Head, d *route.Decision, req *message.Head) {
	if id := d.RequestID(req); len(id) > 0 && len(id) <= maxRequestID {
		h.Append([]byte("X-Request-Id"), id)
	}
}

// FillReply makes h the head of the response that tells the client, and returns its body, nil for none. The body is
// the error page of the document where there is one. Callers of gRPC get a trailers-only response with the status that
// gRPC maps to. The head is written into room, which may be nil. req came from c.
func FillReply(h *message.Head, r *route.LocalReply, d *route.Decision, req *message.Head, c *route.Client,
	room []byte,
) (body []byte) {
	d.KeepNowhere()
	h.Reset()
	h.Version, h.Status, h.Buf = message.HTTP11, r.Status, room[:0]
	if d.GRPC {
		h.Status = 200
		h.Append([]byte("Content-Type"), []byte("application/grpc"))
		h.Append([]byte("Grpc-Status"), strconv.AppendInt(nil, int64(grpcCode(r)), 10))
		h.Append([]byte("Grpc-Message"), []byte(r.Text))
		appendRequestID(h, d, req)
		h.Append([]byte("Content-Length"), []byte("0"))
		h.Body = message.NoBody
		return nil
	}
	var date [len(dateFormat)]byte
	h.Append([]byte("Date"), time.Now().UTC().AppendFormat(date[:0], dateFormat))
	if !r.Own.Names(message.XRequestID) {
		appendRequestID(h, d, req)
	}
	switch r {
	case route.ReplyTrace:
		h.Append([]byte("Allow"), []byte("OPTIONS"))
	case route.ReplyConnect: // RFC 9110 section 15.5.6; an endpoint may know others, and it may refuse some of these
		h.Append([]byte("Allow"), []byte("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, TRACE"))
	case route.ReplyRateLimited:
		seconds := (d.RetryAfter + time.Second - 1) / time.Second
		h.Append([]byte("Retry-After"), strconv.AppendInt(nil, int64(seconds), 10))
	case route.ReplyBusy:
		h.Append([]byte("Retry-After"), []byte("1"))
	}
	if r.Challenge != nil {
		h.Append([]byte("WWW-Authenticate"), r.Challenge)
	}
	if r.Redirect {
		var location [512]byte
		h.Append([]byte("Location"), d.AppendLocation(location[:0], req, c))
	}
	contentType := textPlain
	if own := d.Table.Response(r); own != nil {
		for i := range own.Fields {
			h.Append(own.Fields[i].Name, own.Fields[i].Value)
		}
		contentType, body = own.ContentType, own.Body
	} else {
		body = []byte(r.Text + "\n")
	}
	if message.Bodiless(r.Status) {
		h.Body = message.NoBody
		return nil
	}
	if len(body) > 0 && len(contentType) > 0 {
		h.Append([]byte("Content-Type"), contentType)
	}
	var length [20]byte
	h.Append([]byte("Content-Length"), strconv.AppendInt(length[:0], int64(len(body)), 10))
	if d.Head || len(body) == 0 {
		h.Body = message.NoBody
		return nil
	}
	h.Body, h.ContentLength = message.Sized, int64(len(body))
	return body
}

var textPlain = []byte("text/plain; charset=utf-8")
