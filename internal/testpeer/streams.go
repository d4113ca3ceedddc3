package testpeer

import "golang.org/x/net/http2"

// Next reads the next frame that is about a stream, or the end; what keeps a connection going is answered on the way.
func (p *Peer) Next() http2.Frame {
	p.t.Helper()
	p.wholeSections(true)
	for {
		fr, err := p.ReadFrame()
		if err != nil {
			p.t.Fatalf("read a frame: %v", err)
		}
		switch fr := fr.(type) {
		case *http2.SettingsFrame:
			if v, ok := fr.Value(http2.SettingInitialWindowSize); ok {
				p.Window = int(v)
			}
			if !fr.IsAck() {
				p.Must(p.WriteSettingsAck())
			}
		case *http2.PingFrame:
			if !fr.IsAck() {
				p.Must(p.WritePing(true, fr.Data))
			}
		case *http2.WindowUpdateFrame:
			if fr.StreamID == 0 {
				p.Room += int(fr.Increment)
			}
		default:
			return fr
		}
	}
}

// Section reads a section of fields of the stream.
func (p *Peer) Section(id uint32) *http2.MetaHeadersFrame {
	p.t.Helper()
	fr := p.Next()
	h, ok := fr.(*http2.MetaHeadersFrame)
	if !ok || h.StreamID != id {
		p.t.Fatalf("got %v, want fields on stream %d", fr, id)
	}
	return h
}

// Any reads the fields that begin a stream, which has whatever number.
func (p *Peer) Any() *http2.MetaHeadersFrame {
	p.t.Helper()
	fr := p.Next()
	h, ok := fr.(*http2.MetaHeadersFrame)
	if !ok {
		p.t.Fatalf("got %v, want fields", fr)
	}
	return h
}

// Answer reads a response head, which must have the status.
func (p *Peer) Answer(id uint32, status string) *http2.MetaHeadersFrame {
	p.t.Helper()
	h := p.Section(id)
	if got := h.PseudoValue("status"); got != status {
		p.t.Fatalf("status of stream %d = %s, want %s", id, got, status)
	}
	return h
}

// Text reads so much of the stream's body, and reports whether that ended it.
func (p *Peer) Text(id uint32, want string) (end bool) {
	p.t.Helper()
	got := ""
	for !end && len(got) <= len(want) {
		fr := p.Next()
		d, ok := fr.(*http2.DataFrame)
		if !ok || d.StreamID != id {
			p.t.Fatalf("got %v after %q, want data on stream %d", fr, got, id)
		}
		got += string(d.Data())
		if end = d.StreamEnded(); got == want {
			return end
		}
	}
	p.t.Fatalf("body of stream %d = %q, want %q", id, got, want)
	return end
}

// Reset reads on until the stream is reset, which must be with the code.
func (p *Peer) Reset(id uint32, code http2.ErrCode) {
	p.t.Helper()
	for {
		switch fr := p.Next().(type) {
		case *http2.RSTStreamFrame:
			if fr.StreamID != id || fr.ErrCode != code {
				p.t.Fatalf("got %v with %v, want stream %d reset with %v", fr, fr.ErrCode, id, code)
			}
			return
		case *http2.DataFrame: // was on its way
			if fr.StreamEnded() {
				p.t.Fatalf("stream %d ended, want it reset with %v", fr.StreamID, code)
			}
		default:
			p.t.Fatalf("got %v, want stream %d reset with %v", fr, id, code)
		}
	}
}

// Sync waits until the other end has handled all that was written to it: it answers a PING. Frames that come before the
// answer are lost.
func (p *Peer) Sync() {
	p.t.Helper()
	p.wholeSections(true)
	data := [8]byte{'s', 'y', 'n', 'c'}
	p.Must(p.WritePing(false, data))
	for {
		fr, err := p.ReadFrame()
		if err != nil {
			p.t.Fatalf("read a frame: %v", err)
		}
		switch fr := fr.(type) {
		case *http2.SettingsFrame:
			if !fr.IsAck() {
				p.Must(p.WriteSettingsAck())
			}
		case *http2.PingFrame:
			if fr.IsAck() && fr.Data == data {
				return
			}
			if !fr.IsAck() {
				p.Must(p.WritePing(true, fr.Data))
			}
		}
	}
}
