package http2

// peerSettings is what the peer's SETTINGS allow this side, and whether it does what they say. Guarded by the
// connection's lock.
type peerSettings struct {
	known     bool // the SETTINGS have come
	window    int  // a new stream's window for what we send
	streams   int  // that we may open
	headBytes int  // of one head or trailer section, RFC 9113 section 10.5.1
	responded bool // to a request, with a final head
	refused   int  // streams since the last response
}

// manyRefused is how many streams a peer that has responded may refuse in a row for reasons of the moment.
const manyRefused = 4

// turnsAway tells whether the peer takes no requests. others are how many streams are open: these may be why it has
// refused one.
func (p *peerSettings) turnsAway(others int) bool {
	return others == 0 && (!p.responded || p.refused > manyRefused)
}

// set takes one setting (RFC 9113 section 6.5.2).
func (p *peerSettings) set(s setting, client bool) error {
	switch s.id {
	case settingEnablePush:
		if s.value > 1 || client && s.value == 1 {
			return connError(ProtocolError, "SETTINGS_ENABLE_PUSH that is not allowed")
		}
	case settingMaxConcurrentStreams:
		p.streams = int(min(s.value, maxStreamID))
	case settingInitialWindowSize:
		if s.value > maxWindow {
			return connError(FlowControlError, "SETTINGS_INITIAL_WINDOW_SIZE too large")
		}
		p.window = int(s.value)
	case settingMaxFrameSize:
		if s.value < maxFrame || s.value > 1<<24-1 {
			return connError(ProtocolError, "SETTINGS_MAX_FRAME_SIZE out of range")
		}
	case settingMaxHeaderListSize:
		p.headBytes = int(s.value)
	}
	return nil
}
