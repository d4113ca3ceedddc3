package cluster

// Outcome is how one use of an endpoint ended, as far as its health is concerned.
type Outcome uint8

// The outcomes. Those from ServerError on count against the endpoint.
const (
	// Ignored says nothing about the endpoint; a forgotten outcome is this one.
	Ignored Outcome = iota
	// ClientGone: the client went away first. Never the endpoint's fault.
	ClientGone
	// Overflow: one of our own limits refused.
	Overflow
	// Success is any response that passive health does not count as a failure. At L4 it is a connection that carried
	// bytes back, or took some and ended well.
	Success
	// ServerError is a 5xx response, or a gRPC status that means the same, where passive health counts that.
	ServerError
	// ConnectFailure: no connection, or no TLS session, could be made.
	ConnectFailure
	// Reset: the endpoint broke off before its response was whole.
	Reset
	// Timeout: the endpoint was silent for too long.
	Timeout
	// Malformed: what came back was no valid response.
	Malformed
	// FailureStatus is a response below 500 whose status passive health counts as a failure.
	FailureStatus
)

// failed tells whether the outcome counts against the endpoint.
func (o Outcome) failed() bool { return o >= ServerError }

// String is the outcome as logs and /status show it.
func (o Outcome) String() string {
	switch o {
	case ClientGone:
		return "client gone"
	case Overflow:
		return "overflow"
	case Success:
		return "success"
	case ServerError:
		return "server error"
	case ConnectFailure:
		return "connect failure"
	case Reset:
		return "reset"
	case Timeout:
		return "timeout"
	case Malformed:
		return "malformed response"
	case FailureStatus:
		return "failure status"
	default:
		return "ignored"
	}
}

// MarshalText is String.
func (o Outcome) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// UnmarshalText reads what MarshalText writes. Words that it does not know are Ignored.
func (o *Outcome) UnmarshalText(text []byte) error {
	*o = Ignored
	for known := ClientGone; known <= FailureStatus; known++ {
		if known.String() == string(text) {
			*o = known
		}
	}
	return nil
}
