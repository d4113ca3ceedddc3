package http2

import "github.com/fabian4/gateway-homebrew-go/internal/netio"

// frameReader takes what comes on a connection apart into frames. It belongs to the reading goroutine. While no part of
// a frame is held it has no buffer, where the connection allows that.
type frameReader struct {
	nc      *netio.Conn
	buf     *netio.Buffer // nil while nothing is held
	r, w    int           // what is held of buf
	first   [frameHeaderLen]byte
	bulk    bool // the last read filled its buffer
	preface int  // bytes of the client's preface still to come
}

// load begins with what was read of the connection before.
func (fr *frameReader) load(early []byte) {
	if len(early) > 0 {
		fr.buf = netio.Sized(len(early))
		fr.w = copy(fr.buf.B, early)
	}
}

// held tells whether a part of a frame, or of the preface, is held.
func (fr *frameReader) held() bool { return fr.r < fr.w }

// begun tells whether anything has begun that is not whole yet.
func (fr *frameReader) begun() bool { return fr.held() || fr.preface > 0 }

// readPreface compares what is held with the rest of the client's preface.
func (fr *frameReader) readPreface() error {
	for fr.r < fr.w && fr.preface > 0 {
		if fr.buf.B[fr.r] != Preface[len(Preface)-fr.preface] {
			return connError(ProtocolError, "no HTTP/2 preface")
		}
		fr.r++
		fr.preface--
	}
	return nil
}

// next hands out the next whole frame with its payload, which is good until fill; ok is false when there is none.
func (fr *frameReader) next() (f frame, p []byte, ok bool, err error) {
	if fr.w-fr.r < frameHeaderLen {
		return f, nil, false, nil
	}
	f = parseFrame(fr.buf.B[fr.r:])
	if f.length > maxFrame {
		return f, nil, false, connError(FrameSizeError, "frame larger than SETTINGS_MAX_FRAME_SIZE")
	}
	end := fr.r + frameHeaderLen + int(f.length)
	if end > fr.w {
		return f, nil, false, nil
	}
	p = fr.buf.B[fr.r+frameHeaderLen : end : end]
	fr.r = end
	return f, p, true, nil
}

// dataBegun tells whether what is held is the beginning of a DATA frame.
func (fr *frameReader) dataBegun() bool {
	return fr.w-fr.r >= frameHeaderLen && fr.buf.B[fr.r+3] == frameData
}

// fill reads more, and returns how much that was. Errors are those of netio.Conn.Read, and come without bytes.
func (fr *frameReader) fill() (int, error) {
	if fr.held() {
		return fr.fillRest()
	}
	fr.free()
	if fr.bulk {
		fr.buf = netio.NewBulk()
		return fr.read()
	}
	if fr.nc.Plain() {
		buf, n, err := fr.nc.ReadFirst()
		if err != nil {
			return 0, err
		}
		fr.buf, fr.w = buf, n
		fr.bulk = n == len(buf.B)
		return n, nil
	}
	// Not a plain socket: a frame header's worth is waited for, the rest is there already as a rule.
	n, err := fr.nc.Read(fr.first[:])
	if n > 0 {
		fr.buf = netio.NewBuffer()
		fr.w = copy(fr.buf.B, fr.first[:n])
		return n, nil
	}
	return 0, err
}

// fillRest reads more behind a part of a frame, and sees to it that the whole frame has room.
func (fr *frameReader) fillRest() (int, error) {
	need := frameHeaderLen
	if held := fr.buf.B[fr.r:fr.w]; len(held) >= frameHeaderLen {
		need += int(parseFrame(held).length)
	}
	switch {
	case need > len(fr.buf.B):
		buf := netio.Sized(need)
		fr.w = copy(buf.B, fr.buf.B[fr.r:fr.w])
		fr.r = 0
		fr.buf.Free()
		fr.buf = buf
	case fr.r+need > len(fr.buf.B) || fr.w == len(fr.buf.B):
		fr.w = copy(fr.buf.B, fr.buf.B[fr.r:fr.w])
		fr.r = 0
	}
	return fr.read()
}

func (fr *frameReader) read() (int, error) {
	n, err := fr.nc.Read(fr.buf.B[fr.w:])
	fr.bulk = n == len(fr.buf.B)-fr.w || n >= netio.BufferSize
	fr.w += n
	if n > 0 {
		return n, nil
	}
	return 0, err
}

// free gives the buffer back, with whatever is in it.
func (fr *frameReader) free() {
	fr.buf.Free()
	fr.buf, fr.r, fr.w = nil, 0, 0
}
