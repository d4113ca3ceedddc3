package forward

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/cluster"
	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/internal/netio"
	"github.com/fabian4/gateway-homebrew-go/proxy/http1"
	"github.com/fabian4/gateway-homebrew-go/proxy/http2"
	"github.com/fabian4/gateway-homebrew-go/proxy/message"
	"github.com/fabian4/gateway-homebrew-go/proxy/route"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// reset is how the stream of an endpoint ends with that cause.
func reset(code http2.ErrCode, cause error) error { return &http2.ResetError{Code: code, Cause: cause} }

// What each error of an upstream connection is to the client, and to the endpoint's health.
func TestUpstreamReply(t *testing.T) {
	const limit, slow, broke, wrong = "upstream limit reached", "upstream timeout", "upstream broke off",
		"malformed upstream response"
	for _, tt := range []struct {
		name    string
		err     error
		status  int
		flag    telemetry.Flag
		text    string
		outcome cluster.Outcome
		caused  bool // the reply tells the error, for the log
	}{
		{"a limit of the cluster", cluster.ErrOverflow, 503, telemetry.UO, limit, cluster.Overflow, false},
		{"no endpoint", cluster.ErrNoEndpoint, 503, telemetry.UH, "no healthy upstream", cluster.Ignored, false},
		{"no room for a stream", http2.ErrNoCapacity, 503, telemetry.UO, limit, cluster.Overflow, true},
		{"out of file descriptors", netio.NewConnectError(syscall.EMFILE), 503, telemetry.UO, limit, cluster.Overflow,
			true},
		{"connection refused", netio.NewConnectError(syscall.ECONNREFUSED), 502, telemetry.UF,
			"upstream connect failed", cluster.ConnectFailure, true},
		{"connecting took too long", netio.NewConnectError(context.DeadlineExceeded), 502, telemetry.UF,
			"upstream connect failed", cluster.ConnectFailure, true},
		{"malformed head of HTTP/1.1", &http1.Error{Status: 502, Text: "x"}, 502, telemetry.UPE, wrong,
			cluster.Malformed, true},
		{"malformed stream", reset(http2.ProtocolError, &http2.StreamError{Code: http2.ProtocolError}), 502,
			telemetry.UPE, wrong, cluster.Malformed, true},
		{"malformed connection", &http2.ConnError{Code: http2.ProtocolError}, 502, telemetry.UPE, wrong,
			cluster.Malformed, true},
		{"the endpoint says that we are wrong", &http2.ConnError{Code: http2.ProtocolError, Remote: true}, 502,
			telemetry.UC, broke, cluster.Reset, true},
		{"a fault of ours on the connection", &http2.ConnError{Code: http2.InternalError}, 502, telemetry.UC, broke,
			cluster.Reset, true},
		{"no response in time", netio.ErrTimeout, 504, telemetry.UT, slow, cluster.Timeout, false},
		{"a stream that stalls", reset(http2.Cancel, http2.ErrStalled), 504, telemetry.UT, slow, cluster.Timeout, true},
		{"a head larger than the endpoint takes", http2.ErrHeadTooLarge, 431, telemetry.DPE,
			"request head is larger than the endpoint takes", cluster.ClientGone, false},
		{"not processed", reset(http2.RefusedStream, http2.ErrUnprocessed), 503, telemetry.UC,
			"upstream did not take the request", cluster.Ignored, true},
		{"reset", reset(http2.InternalError, http2.ErrReset), 502, telemetry.UC, broke, cluster.Reset, true},
		{"going away", http2.ErrGoAway, 502, telemetry.UC, broke, cluster.Reset, true},
		{"ended", io.ErrUnexpectedEOF, 502, telemetry.UC, broke, cluster.Reset, true},
		{"reset by TCP", syscall.ECONNRESET, 502, telemetry.UC, broke, cluster.Reset, true},
	} {
		r := UpstreamReply(fmt.Errorf("wrapped: %w", tt.err))
		if r.Status != tt.status || r.Flag != tt.flag || r.Text != tt.text {
			t.Errorf("%s: %d %v %q, want %d %v %q", tt.name, r.Status, r.Flag, r.Text, tt.status, tt.flag, tt.text)
		}
		if got := Outcome(r); got != tt.outcome {
			t.Errorf("%s: outcome %v, want %v", tt.name, got, tt.outcome)
		}
		if got := r.Cause != nil && errors.Is(r, tt.err); got != tt.caused {
			t.Errorf("%s: the reply has the error as its cause: %v, want %v", tt.name, got, tt.caused)
		}
	}
}

// What each local reply says about the endpoint.
func TestOutcome(t *testing.T) {
	for flag, want := range map[telemetry.Flag]cluster.Outcome{
		telemetry.NoFlag: cluster.Ignored, telemetry.NR: cluster.Ignored, telemetry.UH: cluster.Ignored,
		telemetry.RL: cluster.Ignored,
		telemetry.UO: cluster.Overflow, telemetry.UF: cluster.ConnectFailure, telemetry.UC: cluster.Reset,
		telemetry.UT: cluster.Timeout, telemetry.UPE: cluster.Malformed, telemetry.DC: cluster.ClientGone,
		telemetry.DPE: cluster.ClientGone,
	} {
		if got := Outcome(&route.LocalReply{Flag: flag}); got != want {
			t.Errorf("flag %v: %v, want %v", flag, got, want)
		}
	}
	if got := Outcome(replyDeadline); got != cluster.Ignored {
		t.Errorf("the client's own deadline: %v, want %v", got, cluster.Ignored)
	}
	for flag := range map[telemetry.Flag]bool{telemetry.UC: true, telemetry.UPE: true, telemetry.UF: true} {
		r := &route.LocalReply{Flag: flag, Cause: reset(http2.RefusedStream, http2.ErrUnprocessed)}
		if got := Outcome(r); got != cluster.Ignored {
			t.Errorf("flag %v, not processed: %v, want %v", flag, got, cluster.Ignored)
		}
	}
}

// Behind the deadline of the request, a timeout or an endpoint that breaks off is that deadline; the client's own says
// nothing about the endpoint.
func TestLate(t *testing.T) {
	replies := map[string]*route.LocalReply{"same": nil, "ReplyTimeout": ReplyTimeout, "replyDeadline": replyDeadline}
	for _, tt := range []struct {
		name     string
		flag     telemetry.Flag
		decision route.Decision
		want     string
	}{
		{"no deadline", telemetry.UT, route.Decision{}, "same"},
		{"before the deadline", telemetry.UT, route.Decision{Deadline: t0 + 1}, "same"},
		{"before the client's deadline", telemetry.UC, route.Decision{Deadline: t0 + 1, ClientDeadline: true}, "same"},
		{"a timeout at the route's deadline", telemetry.UT, route.Decision{Deadline: t0}, "ReplyTimeout"},
		{"a reset at the route's deadline", telemetry.UC, route.Decision{Deadline: t0}, "ReplyTimeout"},
		{"a timeout at the client's deadline", telemetry.UT, route.Decision{Deadline: t0, ClientDeadline: true},
			"replyDeadline"},
		{"a reset behind the client's deadline", telemetry.UC, route.Decision{Deadline: t0 - 1, ClientDeadline: true},
			"replyDeadline"},
		{"no connection", telemetry.UF, route.Decision{Deadline: t0}, "same"},
		{"a malformed response", telemetry.UPE, route.Decision{Deadline: t0, ClientDeadline: true}, "same"},
		{"a limit", telemetry.UO, route.Decision{Deadline: t0}, "same"},
		{"the client is gone", telemetry.DC, route.Decision{Deadline: t0}, "same"},
	} {
		r := &route.LocalReply{Status: 502, Flag: tt.flag}
		replies["same"] = r
		if got := Late(r, &tt.decision, t0); got != replies[tt.want] {
			t.Errorf("%s: %+v, want %s", tt.name, got, tt.want)
		}
	}
}

// The gRPC status of each local reply.
func TestGRPCCode(t *testing.T) {
	for _, tt := range []struct {
		flag   telemetry.Flag
		status int
		want   int
	}{
		{telemetry.DC, 499, 1}, {telemetry.UT, 504, 4}, {telemetry.NR, 404, 12}, {telemetry.RL, 429, 8},
		{telemetry.UPE, 502, 13},
		{telemetry.DPE, 400, 13}, {telemetry.DPE, 413, 13}, {telemetry.UF, 502, 14}, {telemetry.UC, 502, 14},
		{telemetry.UC, 503, 14},
		{telemetry.UO, 503, 14}, {telemetry.UH, 503, 14}, {telemetry.NoFlag, 500, 2}, {telemetry.NoFlag, 401, 16},
		{telemetry.NoFlag, 400, 13}, {telemetry.NoFlag, 403, 7}, {telemetry.NoFlag, 404, 12},
		{telemetry.NoFlag, 200, 2}, {telemetry.NoFlag, 429, 14}, {telemetry.NoFlag, 504, 14},
		{telemetry.NoFlag, 501, 2},
	} {
		if got := grpcCode(&route.LocalReply{Flag: tt.flag, Status: tt.status}); got != tt.want {
			t.Errorf("%v %d: %d, want %d", tt.flag, tt.status, got, tt.want)
		}
	}
}

// responds is the local reply of a route.
func responds(status int, body string) *route.LocalReply {
	return &route.LocalReply{Status: status, Text: "the route responds itself", Own: &route.OwnResponse{
		Body: []byte(body), ContentType: []byte("a/b"),
		Fields: []route.OwnField{{Name: []byte("retry-after"), Value: []byte("600")}, {Name: []byte("x-b")}},
	}}
}

func TestReplyOfARouteDoesNotAllocate(t *testing.T) {
	r := responds(503, strings.Repeat("x", 1000))
	r.Own.ContentType = []byte("text/html; charset=utf-8; and=some; more=parameters")
	var h message.Head
	room := make([]byte, 0, 1024)
	fill := func() { FillReply(&h, r, new(route.Decision), new(message.Head), nil, room) }
	if n := testing.AllocsPerRun(100, fill); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

var challenged = &route.LocalReply{
	Status: 401, Flag: telemetry.AC, Text: "unauthorized", Challenge: []byte(`Basic realm="a"`),
}

// What a local reply is on the wire. A row lists all fields but Date, in their order.
func TestFillReply(t *testing.T) {
	const text = "Content-Type: text/plain; charset=utf-8\r\n"
	for _, tt := range []struct {
		name     string
		reply    *route.LocalReply
		decision route.Decision
		status   int
		fields   string
		body     string
		kind     message.BodyKind
	}{
		{"plain", ReplyTimeout, route.Decision{}, 504, text + "Content-Length: 17\r\n", "upstream timeout\n",
			message.Sized},
		{"HEAD", ReplyTimeout, route.Decision{Head: true}, 504, text + "Content-Length: 17\r\n", "", message.NoBody},
		{"gRPC", ReplyTimeout, route.Decision{GRPC: true}, 200,
			"Content-Type: application/grpc\r\nGrpc-Status: 4\r\nGrpc-Message: upstream timeout\r\n" +
				"Content-Length: 0\r\n", "", message.NoBody},
		{"gRPC by HEAD", route.ReplyNoRoute, route.Decision{GRPC: true, Head: true}, 200,
			"Content-Type: application/grpc\r\nGrpc-Status: 12\r\nGrpc-Message: no route\r\nContent-Length: 0\r\n", "",
			message.NoBody},
		{"CONNECT", route.ReplyConnect, route.Decision{}, 405,
			"Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, TRACE\r\n" + text + "Content-Length: 25\r\n",
			"CONNECT is not supported\n", message.Sized},
		{"rate limited, in whole seconds", route.ReplyRateLimited, route.Decision{RetryAfter: time.Second}, 429,
			"Retry-After: 1\r\n" + text + "Content-Length: 13\r\n", "rate limited\n", message.Sized},
		{"rate limited, rounded up", route.ReplyRateLimited, route.Decision{RetryAfter: time.Second + 1}, 429,
			"Retry-After: 2\r\n" + text + "Content-Length: 13\r\n", "rate limited\n", message.Sized},
		{"rate limited, HEAD", route.ReplyRateLimited, route.Decision{RetryAfter: 1, Head: true}, 429,
			"Retry-After: 1\r\n" + text + "Content-Length: 13\r\n", "", message.NoBody},
		{"forbidden, gRPC", &route.LocalReply{Status: 403, Flag: telemetry.AC, Text: "forbidden"},
			route.Decision{GRPC: true}, 200,
			"Content-Type: application/grpc\r\nGrpc-Status: 7\r\nGrpc-Message: forbidden\r\nContent-Length: 0\r\n", "",
			message.NoBody},
		{"asked for a password", challenged, route.Decision{}, 401,
			"WWW-Authenticate: Basic realm=\"a\"\r\n" + text + "Content-Length: 13\r\n", "unauthorized\n",
			message.Sized},
		{"asked for a password, gRPC", challenged, route.Decision{GRPC: true}, 200,
			"Content-Type: application/grpc\r\nGrpc-Status: 16\r\nGrpc-Message: unauthorized\r\nContent-Length: 0\r\n",
			"",
			message.NoBody},
		{"busy with passwords", route.ReplyBusy, route.Decision{}, 503,
			"Retry-After: 1\r\n" + text + "Content-Length: 28\r\n", "too many passwords to check\n", message.Sized},
		{"of the route", responds(503, "back\nsoon"), route.Decision{}, 503,
			"retry-after: 600\r\nx-b: \r\nContent-Type: a/b\r\nContent-Length: 9\r\n", "back\nsoon", message.Sized},
		{"of the route, HEAD", responds(503, "back\nsoon"), route.Decision{Head: true}, 503,
			"retry-after: 600\r\nx-b: \r\nContent-Type: a/b\r\nContent-Length: 9\r\n", "", message.NoBody},
		{"of the route, gRPC", responds(503, "back\nsoon"), route.Decision{GRPC: true}, 200,
			"Content-Type: application/grpc\r\nGrpc-Status: 14\r\nGrpc-Message: the route responds itself\r\n" +
				"Content-Length: 0\r\n", "", message.NoBody},
		{"of the route, empty", responds(205, ""), route.Decision{}, 205,
			"retry-after: 600\r\nx-b: \r\nContent-Length: 0\r\n", "", message.NoBody},
		{"of the route, 204", responds(204, ""), route.Decision{}, 204, "retry-after: 600\r\nx-b: \r\n", "",
			message.NoBody},
		{"rate limited, gRPC", route.ReplyRateLimited, route.Decision{RetryAfter: 1, GRPC: true}, 200,
			"Content-Type: application/grpc\r\nGrpc-Status: 8\r\nGrpc-Message: rate limited\r\nContent-Length: 0\r\n",
			"", message.NoBody},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := message.Head{Method: []byte("left"), Status: 1, Body: message.Chunked}
			h.Append([]byte("x-left"), []byte("over"))
			body := FillReply(&h, tt.reply, &tt.decision, new(message.Head), nil, nil)
			if h.Status != tt.status || string(body) != tt.body || (body == nil) != (tt.body == "") ||
				h.Body != tt.kind {
				t.Errorf("%d %q, kind of body %v; want %d %q, %v", h.Status, body, h.Body, tt.status, tt.body, tt.kind)
			}
			if h.Body == message.Sized && h.ContentLength != int64(len(body)) {
				t.Errorf("length %d of %d bytes", h.ContentLength, len(body))
			}
			fields, dates := "", 0
			for i := range h.Fields {
				name, value := h.Name(&h.Fields[i]), h.Value(&h.Fields[i])
				if string(name) == "Date" {
					dates++
					if _, err := time.Parse(dateFormat, string(value)); err != nil {
						t.Error(err)
					}
					continue
				}
				fields += string(name) + ": " + string(value) + "\r\n"
			}
			if want := map[bool]int{false: 1, true: 0}[tt.decision.GRPC]; dates != want || fields != tt.fields {
				t.Errorf("%d dates and fields\n%swant %d and\n%s", dates, fields, want, tt.fields)
			}
		})
	}
}

// What a response says about its endpoint: 5xx of HTTP, and what of gRPC is the server's fault.
func TestResponseOutcome(t *testing.T) {
	for status, want := range map[int]cluster.Outcome{
		101: cluster.Success, 200: cluster.Success, 404: cluster.Success, 499: cluster.Success,
		500: cluster.ServerError,
		501: cluster.ServerError, 503: cluster.ServerError, 599: cluster.ServerError,
	} {
		if got := ResponseOutcome(nil, status, NoGRPCStatus); got != want {
			t.Errorf("status %d: %v, want %v", status, got, want)
		}
	}
	failures := map[int]bool{2: true, 13: true, 14: true, 15: true} // UNKNOWN, INTERNAL, UNAVAILABLE, DATA_LOSS
	for code := 0; code <= 17; code++ {
		want := cluster.Success
		if failures[code] {
			want = cluster.ServerError
		}
		if got := ResponseOutcome(nil, 200, code); got != want {
			t.Errorf("gRPC status %d: %v, want %v", code, got, want)
		}
		if got := ResponseOutcome(nil, 503, code); got != cluster.ServerError {
			t.Errorf("503 with gRPC status %d: %v, want %v", code, got, cluster.ServerError)
		}
	}
}

// Which statuses speak against an endpoint, the cluster says; those of gRPC count as what they stand for.
func TestResponseOutcomeOfACluster(t *testing.T) {
	const ok, bad, listed = cluster.Success, cluster.ServerError, cluster.FailureStatus
	for _, tt := range []struct {
		statuses     []string
		status, grpc int
		want         cluster.Outcome
	}{
		{[]string{"5xx"}, 429, NoGRPCStatus, ok}, {[]string{"5xx"}, 500, NoGRPCStatus, bad},
		{[]string{"5xx"}, 200, grpcUnavailable, bad}, {[]string{"5xx"}, 200, grpcResourceExhausted, ok},
		{[]string{"429", "5xx"}, 429, NoGRPCStatus, listed}, {[]string{"429", "5xx"}, 404, NoGRPCStatus, ok},
		{[]string{"429", "5xx"}, 503, NoGRPCStatus, bad}, {[]string{"429", "5xx"}, 200, NoGRPCStatus, ok},
		{[]string{"429", "5xx"}, 200, grpcResourceExhausted, listed}, {[]string{"429", "5xx"}, 200, 0, ok},
		{[]string{"429", "5xx"}, 200, grpcDataLoss, bad}, {[]string{"429", "5xx"}, 200, grpcDeadlineExceeded, ok},
		{[]string{"429"}, 503, NoGRPCStatus, ok}, {[]string{"429"}, 200, grpcUnavailable, ok},
		{[]string{"429"}, 503, grpcResourceExhausted, listed},
		{[]string{"503"}, 500, NoGRPCStatus, ok}, {[]string{"503"}, 503, NoGRPCStatus, bad},
		{[]string{"503"}, 200, grpcUnavailable, bad}, {[]string{"503"}, 200, grpcInternal, ok},
		{[]string{"4xx"}, 400, NoGRPCStatus, listed}, {[]string{"4xx"}, 499, NoGRPCStatus, listed},
		{[]string{"4xx"}, 399, NoGRPCStatus, ok}, {[]string{"4xx"}, 500, NoGRPCStatus, ok},
		{nil, 500, NoGRPCStatus, ok}, {nil, 599, NoGRPCStatus, ok}, {nil, 101, NoGRPCStatus, ok},
	} {
		f := route.CompileFailureStatuses(&config.PassiveHealth{Statuses: tt.statuses})
		if got := ResponseOutcome(f, tt.status, tt.grpc); got != tt.want {
			t.Errorf("%q: status %d, gRPC %d: %v, want %v", tt.statuses, tt.status, tt.grpc, got, tt.want)
		}
	}
}

// Which heads alone say UNAVAILABLE to a caller of gRPC: a grpc-status counts before the status of HTTP.
func TestSaysUnavailable(t *testing.T) {
	for _, tt := range []struct {
		status int
		grpc   string
		want   bool
	}{
		{200, "14", true}, {503, "14", true}, {200, "13", false}, {200, "0", false}, {200, "", false},
		{200, "140", false},
		{503, "8", false}, {503, "0", false},
		{429, "", false}, {500, "", false}, {501, "", false}, {502, "", true}, {503, "", true}, {504, "", true},
		{505, "", false},
	} {
		h := message.Head{Status: tt.status}
		if tt.grpc != "" {
			h.Append([]byte("grpc-status"), []byte(tt.grpc))
		}
		if got := saysUnavailable(&h); got != tt.want {
			t.Errorf("%d with grpc-status %q: %v, want %v", tt.status, tt.grpc, got, tt.want)
		}
	}
}

// How an error in the middle of a request body is sorted.
func TestBodyReply(t *testing.T) {
	gone := io.ErrUnexpectedEOF
	for _, tt := range []struct {
		err    error
		status int
		flag   telemetry.Flag
	}{
		{&http1.Error{Status: 400, Text: "malformed chunk size"}, 400, telemetry.DPE},
		{netio.ErrTimeout, 408, telemetry.DPE},
		{gone, 499, telemetry.DC}, {reset(http2.Cancel, http2.ErrReset), 499, telemetry.DC},
	} {
		if r := bodyReply(fmt.Errorf("wrapped: %w", tt.err)); r.Status != tt.status || r.Flag != tt.flag {
			t.Errorf("%v: %d %v, want %d %v", tt.err, r.Status, r.Flag, tt.status, tt.flag)
		}
	}
	if r := bodyReply(gone); !errors.Is(r, gone) {
		t.Errorf("the reply to a client that is gone hides why: %v", r)
	}
}
