package http2

import (
	"errors"
	"fmt"
)

// ErrCode is an error code of RST_STREAM and GOAWAY (RFC 9113 section 7).
type ErrCode uint32

const (
	NoError            ErrCode = 0x0
	ProtocolError      ErrCode = 0x1
	InternalError      ErrCode = 0x2
	FlowControlError   ErrCode = 0x3
	SettingsTimeout    ErrCode = 0x4
	StreamClosed       ErrCode = 0x5
	FrameSizeError     ErrCode = 0x6
	RefusedStream      ErrCode = 0x7
	Cancel             ErrCode = 0x8
	CompressionError   ErrCode = 0x9
	ConnectError       ErrCode = 0xa
	EnhanceYourCalm    ErrCode = 0xb
	InadequateSecurity ErrCode = 0xc
	HTTP11Required     ErrCode = 0xd
)

// String is the name RFC 9113 gives the code.
func (e ErrCode) String() string {
	names := [...]string{
		"NO_ERROR", "PROTOCOL_ERROR", "INTERNAL_ERROR", "FLOW_CONTROL_ERROR", "SETTINGS_TIMEOUT", "STREAM_CLOSED",
		"FRAME_SIZE_ERROR", "REFUSED_STREAM", "CANCEL", "COMPRESSION_ERROR", "CONNECT_ERROR", "ENHANCE_YOUR_CALM",
		"INADEQUATE_SECURITY", "HTTP_1_1_REQUIRED",
	}
	if int(e) < len(names) {
		return names[e]
	}
	return "unknown error code"
}

var (
	// ErrUnprocessed is the cause of a Reset whose request the peer has certainly not acted on (REFUSED_STREAM, or
	// above the last stream of its GOAWAY). Any request may be sent again elsewhere.
	ErrUnprocessed = errors.New("stream: not processed by the peer")
	// ErrTurnedAway is an ErrUnprocessed that no limit explains. The peer has taken no request on the connection at all
	// before its GOAWAY. Or it has refused one while it had no other: the first one, or several in a row.
	ErrTurnedAway = fmt.Errorf("%w, nor any other", ErrUnprocessed)
	// ErrReset is the cause of a Reset that the peer asked for by RST_STREAM.
	ErrReset = errors.New("stream: reset by the peer")
	// ErrStalled is the cause of a Reset of a stream whose data waited longer than Options.StallTimeout on the peer's
	// flow control.
	ErrStalled = errors.New("stream: stalled on the peer's flow control")
	// ErrEnded is what writing to a stream returns that is over, was reset, or whose own end was already sent.
	ErrEnded = errors.New("stream: ended")
	// ErrClosed is what using a connection returns that is over, and the cause of the Resets that Close makes.
	ErrClosed = errors.New("connection: closed")
	// ErrGoAway is what Open returns once the peer, or Shutdown, wants no more streams on the connection.
	ErrGoAway = errors.New("connection: going away")
	// ErrNoCapacity is what Open returns while the peer's stream limit is reached or the peer is not reading.
	ErrNoCapacity = errors.New("connection: no room for another stream")
	// ErrHeadTooLarge is what Open, WriteHead and WriteTrailers return for a head over the peer's
	// SETTINGS_MAX_HEADER_LIST_SIZE.
	ErrHeadTooLarge = errors.New("head: larger than the peer takes")
	// ErrDiverted is what Relay.Trailers returns after Divert.
	ErrDiverted = errors.New("relay: diverted")
	// ErrIdle is how a connection ends that had no stream for Options.IdleTimeout.
	ErrIdle = errors.New("connection: idle for too long")
	// ErrSilent is how a connection ends that left a PING, or the head or frame it had begun, waiting for too long.
	ErrSilent = errors.New("connection: silent for too long")
	// ErrDrained is how a connection ends whose streams finished after Shutdown.
	ErrDrained = errors.New("connection: drained")
)

// ConnError is how a connection ends on which one side broke the rules: the code of the GOAWAY that said so.
type ConnError struct {
	Code   ErrCode
	Reason string
	Remote bool // the peer sent it
}

func (e *ConnError) Error() string {
	if e.Remote {
		return "connection: " + e.Code.String() + " from the peer"
	}
	return "connection: " + e.Code.String() + ": " + e.Reason
}

// StreamError is the cause of a Reset that this side made because the peer broke the rules of one stream.
type StreamError struct {
	Code   ErrCode
	Reason string
}

func (e *StreamError) Error() string { return "stream: " + e.Code.String() + ": " + e.Reason }

func connError(code ErrCode, reason string) *ConnError { return &ConnError{Code: code, Reason: reason} }
