package telemetry

import (
	"bytes"
	"encoding/hex"
)

// ParseB3 reads the field b3, the single form of B3: {trace}-{span}-{sampling}-{parent span}, of which the last two may
// be missing, or {sampling} alone. The zero context, and false, stand for one that is not valid.
func ParseB3(b []byte) (c TraceContext, ok bool) {
	if len(b) == 1 {
		return c, c.sampling(b)
	}
	trace, rest, found := bytes.Cut(b, dash)
	if !found {
		return TraceContext{}, false
	}
	span, rest, more := bytes.Cut(rest, dash)
	if !c.ids(trace, span) {
		return TraceContext{}, false
	}
	if !more {
		return c, true
	}
	sampling, parent, more := bytes.Cut(rest, dash)
	var ignored spanID
	if !c.sampling(sampling) || more && (len(parent) != 16 || !unhex(ignored[:], parent)) {
		return TraceContext{}, false
	}
	return c, true
}

// ParseB3Multi reads the fields X-B3-TraceId, X-B3-SpanId, X-B3-Sampled and X-B3-Flags; nil stands for one that is not
// there. The zero context, and false, stand for fields that say nothing valid.
func ParseB3Multi(trace, span, sampled, flags []byte) (c TraceContext, ok bool) {
	switch {
	case len(flags) == 1 && flags[0] == '1': // debug, which is more than sampled
		c.flags, c.decided = flagSampled, true
	case sampled == nil:
	case string(sampled) == "true": // as B3 was written once
		c.flags, c.decided = flagSampled, true
	case string(sampled) == "false":
		c.decided = true
	case !c.sampling(sampled):
		return TraceContext{}, false
	}
	if trace == nil && span == nil {
		return c, c.decided
	}
	if !c.ids(trace, span) {
		return TraceContext{}, false
	}
	return c, true
}

// ids takes the ids. A trace of 64 bits gets zeros in front.
func (c *TraceContext) ids(trace, span []byte) bool {
	if len(trace) != 32 && len(trace) != 16 || len(span) != 16 {
		return false
	}
	return unhex(c.trace[16-len(trace)/2:], trace) && unhex(c.span[:], span) &&
		c.trace != (traceID{}) && c.span != (spanID{})
}

// sampling takes the state of sampling: 1, 0, or d for debug.
func (c *TraceContext) sampling(b []byte) bool {
	if len(b) != 1 {
		return false
	}
	switch b[0] {
	case '1', 'd':
		c.flags = flagSampled
	case '0':
	default:
		return false
	}
	c.decided = true
	return true
}

var dash = []byte("-")

// appendB3 appends the field b3 of a span.
func appendB3(dst []byte, trace traceID, span spanID, flags uint8) []byte {
	dst = hex.AppendEncode(dst, trace[:])
	dst = append(dst, '-')
	dst = hex.AppendEncode(dst, span[:])
	return append(dst, '-', '0'+flags&flagSampled)
}
