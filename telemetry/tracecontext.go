package telemetry

import (
	"encoding/hex"
)

// Formats is a set of formats in which a request carries its trace.
type Formats uint8

// The formats, by what OTEL_PROPAGATORS calls them.
const (
	W3C     Formats = 1 << iota // tracecontext: the fields traceparent and tracestate
	B3                          // b3: the field b3
	B3Multi                     // b3multi: the fields X-B3-*
)

// Has tells whether f is in the set.
func (f Formats) Has(one Formats) bool { return f&one != 0 }

type (
	traceID [16]byte
	spanID  [8]byte
)

// The flags of traceparent (W3C Trace Context Level 2 section 3.2.2.5): those that are known.
const (
	flagSampled = 1
	flagRandom  = 2
)

// TraceContext is what a request says about the trace that it belongs to. The zero value says nothing.
type TraceContext struct {
	trace   traceID // zero: the request has only a word on sampling
	span    spanID  // of the caller
	flags   uint8
	decided bool // flags tells whether the trace is recorded
	w3c     bool // tracestate belongs to it
}

// KeepsState tells whether the field tracestate of the request belongs to its trace, and is passed on.
func (c *TraceContext) KeepsState() bool { return c.w3c }

// The places in a traceparent: version "-" trace "-" span "-" flags.
const (
	traceAt        = 3
	spanAt         = traceAt + 32 + 1
	flagsAt        = spanAt + 16 + 1
	traceparentLen = flagsAt + 2
)

// ParseTraceparent reads a traceparent (W3C Trace Context section 3.2). What a later version adds at its end is passed
// over. The zero context, and false, stand for one that is not valid.
func ParseTraceparent(b []byte) (c TraceContext, ok bool) {
	if len(b) < traceparentLen || b[traceAt-1] != '-' || b[spanAt-1] != '-' || b[flagsAt-1] != '-' {
		return TraceContext{}, false
	}
	var version, flags [1]byte
	if !unhex(version[:], b[:2]) || version[0] == 0xff || !unhex(flags[:], b[flagsAt:traceparentLen]) {
		return TraceContext{}, false
	}
	if len(b) > traceparentLen && (version[0] == 0 || b[traceparentLen] != '-') {
		return TraceContext{}, false
	}
	if !unhex(c.trace[:], b[traceAt:spanAt-1]) || !unhex(c.span[:], b[spanAt:flagsAt-1]) ||
		c.trace == (traceID{}) || c.span == (spanID{}) {
		return TraceContext{}, false
	}
	c.flags, c.decided, c.w3c = flags[0]&(flagSampled|flagRandom), true, true
	return c, true
}

// unhex fills dst from twice as many digits, lower-case ones only, as W3C and B3 have them.
func unhex(dst, src []byte) bool {
	for i := range dst {
		high, low := digit(src[2*i]), digit(src[2*i+1])
		if high > 15 || low > 15 {
			return false
		}
		dst[i] = high<<4 | low
	}
	return true
}

// digit is the value of a lower-case hexadecimal digit, over 15 for all others.
func digit(c byte) byte {
	switch {
	case c-'0' < 10:
		return c - '0'
	case c-'a' < 6:
		return c - 'a' + 10
	}
	return 0xff
}

// appendTraceparent appends the traceparent of a span.
func appendTraceparent(dst []byte, trace traceID, span spanID, flags uint8) []byte {
	dst = append(dst, "00-"...)
	dst = hex.AppendEncode(dst, trace[:])
	dst = append(dst, '-')
	dst = hex.AppendEncode(dst, span[:])
	return append(dst, '-', '0', '0'+flags)
}
