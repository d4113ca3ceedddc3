package http2

import "encoding/binary"

// Preface is what a client sends first (RFC 9113 section 3.4).
const Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// The frame types of RFC 9113 section 6.
const (
	frameData         = 0x0
	frameHeaders      = 0x1
	framePriority     = 0x2
	frameRSTStream    = 0x3
	frameSettings     = 0x4
	framePushPromise  = 0x5
	framePing         = 0x6
	frameGoAway       = 0x7
	frameWindowUpdate = 0x8
	frameContinuation = 0x9
)

const (
	flagEndStream  = 0x01
	flagAck        = 0x01
	flagEndHeaders = 0x04
	flagPadded     = 0x08
	flagPriority   = 0x20
)

const (
	frameHeaderLen = 9
	maxFrame       = 16 << 10 // payload bytes; the default both sides start with, which we neither raise nor exceed
	maxWindow      = 1<<31 - 1
	maxStreamID    = 1<<31 - 1
	defaultWindow  = 65535
)

// The settings of RFC 9113 section 6.5.2.
const (
	settingHeaderTableSize      = 0x1
	settingEnablePush           = 0x2
	settingMaxConcurrentStreams = 0x3
	settingInitialWindowSize    = 0x4
	settingMaxFrameSize         = 0x5
	settingMaxHeaderListSize    = 0x6
)

// frame is the header of one frame (RFC 9113 section 4.1).
type frame struct {
	length uint32
	typ    uint8
	flags  uint8
	stream uint32
}

func (f frame) has(flag uint8) bool { return f.flags&flag != 0 }

// parseFrame reads the nine bytes at the start of b. The reserved bit is ignored.
func parseFrame(b []byte) frame {
	_ = b[8]
	return frame{
		length: uint32(b[0])<<16 | uint32(b[1])<<8 | uint32(b[2]),
		typ:    b[3],
		flags:  b[4],
		stream: binary.BigEndian.Uint32(b[5:]) & maxStreamID,
	}
}

func appendFrame(dst []byte, f frame) []byte {
	dst = append(dst, byte(f.length>>16), byte(f.length>>8), byte(f.length), f.typ, f.flags)
	return binary.BigEndian.AppendUint32(dst, f.stream)
}

// setLength corrects the length in the frame header at the start of b.
func setLength(b []byte, n int) {
	b[0], b[1], b[2] = byte(n>>16), byte(n>>8), byte(n)
}

func appendRSTStream(dst []byte, id uint32, code ErrCode) []byte {
	dst = appendFrame(dst, frame{4, frameRSTStream, 0, id})
	return binary.BigEndian.AppendUint32(dst, uint32(code))
}

func appendWindowUpdate(dst []byte, id uint32, n int) []byte {
	dst = appendFrame(dst, frame{4, frameWindowUpdate, 0, id})
	return binary.BigEndian.AppendUint32(dst, uint32(n))
}

func appendPing(dst []byte, ack bool, data [8]byte) []byte {
	f := frame{8, framePing, 0, 0}
	if ack {
		f.flags = flagAck
	}
	return append(appendFrame(dst, f), data[:]...)
}

func appendGoAway(dst []byte, last uint32, code ErrCode, reason string) []byte {
	dst = appendFrame(dst, frame{uint32(8 + len(reason)), frameGoAway, 0, 0})
	dst = binary.BigEndian.AppendUint32(dst, last)
	dst = binary.BigEndian.AppendUint32(dst, uint32(code))
	return append(dst, reason...)
}

// setting is one parameter of a SETTINGS frame.
type setting struct {
	id    uint16
	value uint32
}

func appendSettings(dst []byte, list ...setting) []byte {
	dst = appendFrame(dst, frame{uint32(6 * len(list)), frameSettings, 0, 0})
	for _, s := range list {
		dst = binary.BigEndian.AppendUint16(dst, s.id)
		dst = binary.BigEndian.AppendUint32(dst, s.value)
	}
	return dst
}

// unpad takes the padding of DATA and HEADERS off (RFC 9113 section 6.1).
func unpad(f frame, p []byte) ([]byte, bool) {
	if !f.has(flagPadded) {
		return p, true
	}
	if len(p) == 0 || int(p[0]) >= len(p) {
		return nil, false
	}
	return p[1 : len(p)-int(p[0])], true
}
