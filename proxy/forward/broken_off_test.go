package forward

import (
	"io"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/proxy/http2"
	"github.com/fabian4/gateway-homebrew-go/proxy/message"
	"github.com/fabian4/gateway-homebrew-go/proxy/route"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// How a response ends that has begun, and what a caller of gRPC makes of that.
func TestBrokenOff(t *testing.T) {
	malformed, wrong := http2.StreamError{Code: http2.ProtocolError}, http2.ConnError{Code: http2.FlowControlError}
	for _, tt := range []struct {
		name   string
		why    *route.LocalReply
		ends   bool // a call, by trailers
		status int  // that they have
		code   http2.ErrCode
		reset  int // the status that a caller makes of the code
	}{
		{"connection lost", UpstreamReply(reset(http2.Cancel, io.ErrUnexpectedEOF)), true, 14, http2.InternalError, 13},
		{"connection silent", UpstreamReply(reset(http2.Cancel, http2.ErrSilent)), true, 14, http2.InternalError, 13},
		{"connection of HTTP/1.1 lost", UpstreamReply(io.ErrUnexpectedEOF), true, 14, http2.InternalError, 13},
		{"malformed", UpstreamReply(reset(http2.ProtocolError, &malformed)), true, 13, http2.InternalError, 13},
		{"malformed connection", UpstreamReply(reset(http2.FlowControlError, &wrong)), true, 13, http2.InternalError,
			13},
		{"too late", ReplyTimeout, true, 4, http2.InternalError, 13},
		{"too late for the client", replyDeadline, true, 4, http2.InternalError, 13},
		{"larger than the client takes", ReplyLargeResponse, true, 13, http2.InternalError, 13},
		{"body too large", route.ReplyMaxBody, true, 13, http2.InternalError, 13},
		{"not processed", UpstreamReply(reset(http2.RefusedStream, http2.ErrUnprocessed)), true, 14,
			http2.RefusedStream, 14},
		{"reset: CANCEL", UpstreamReply(reset(http2.Cancel, http2.ErrReset)), false, 14, http2.Cancel, 1},
		{"reset: INTERNAL_ERROR", UpstreamReply(reset(http2.InternalError, http2.ErrReset)), false, 14,
			http2.InternalError, 13},
		{"reset: ENHANCE_YOUR_CALM", UpstreamReply(reset(http2.EnhanceYourCalm, http2.ErrReset)), false, 14,
			http2.EnhanceYourCalm, 8},
		{"reset: INADEQUATE_SECURITY", UpstreamReply(reset(http2.InadequateSecurity, http2.ErrReset)), false, 14,
			http2.InadequateSecurity, 7},
		{"reset: NO_ERROR", UpstreamReply(reset(http2.NoError, http2.ErrReset)), false, 14, http2.InternalError, 13},
		{"client gone", ReplyGone, false, 1, http2.InternalError, 13},
		{"panic", nil, false, 0, http2.InternalError, 13},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := EndsCall(tt.why); got != tt.ends {
				t.Errorf("EndsCall %v, want %v", got, tt.ends)
			}
			if tt.why != nil && grpcCode(tt.why) != tt.status {
				t.Errorf("status %d, want %d", grpcCode(tt.why), tt.status)
			}
			code := ResetCode(tt.why)
			if got := grpcOfReset(code); code != tt.code || got != tt.reset {
				t.Errorf("reset by %v, which is status %d; want %v, %d", code, got, tt.code, tt.reset)
			}
			r, want := NewRecord(1), tt.reset
			if tt.why == ReplyGone {
				r.Flag, want = telemetry.DC, NoGRPCStatus
			}
			r.NoteReset(true, tt.why)
			if r.GRPCStatus != want {
				t.Errorf("recorded status %d, want %d", r.GRPCStatus, want)
			}
			r = NewRecord(1)
			if r.NoteReset(false, tt.why); r.GRPCStatus != NoGRPCStatus {
				t.Errorf("recorded status %d of a request that is no call, want none", r.GRPCStatus)
			}
		})
	}
}

// Which responses trailers may end before they are whole.
func TestTakesStatus(t *testing.T) {
	for _, tt := range []struct {
		name   string
		call   bool
		status int
		body   message.BodyKind
		fields []string
		want   bool
	}{
		{"stream", true, 200, message.Chunked, []string{"Content-Type", "application/grpc+proto"}, true},
		{"no call", false, 200, message.Chunked, []string{"Content-Type", "application/grpc"}, false},
		{"a page", true, 200, message.Chunked, []string{"Content-Type", "text/html"}, false},
		{"no type", true, 200, message.Chunked, nil, false},
		{"status", true, 503, message.Chunked, []string{"Content-Type", "application/grpc"}, false},
		{"length", true, 200, message.Sized, []string{"Content-Type", "application/grpc"}, false},
		{"has its status", true, 200, message.Chunked,
			[]string{"Content-Type", "application/grpc", "Grpc-Status", "0"}, false},
	} {
		h := &message.Head{Status: tt.status, Body: tt.body}
		for i := 0; i < len(tt.fields); i += 2 {
			h.Append([]byte(tt.fields[i]), []byte(tt.fields[i+1]))
		}
		if got := TakesStatus(&route.Decision{GRPC: tt.call}, h); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}
