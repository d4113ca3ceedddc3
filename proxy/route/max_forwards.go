package route

import (
	"slices"
	"strconv"

	"github.com/fabian4/gateway-homebrew-go/proxy/message"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

const maxForwards = "max-forwards"

// countForward heeds Max-Forwards, by which a client of OPTIONS or TRACE says how many intermediaries may pass its
// request on (RFC 9110 section 7.6.2). It returns the reply where this one must not, else h says one less. What is no
// single number stays as it is, and is for the endpoint to judge.
func (d *Decision) countForward(h *message.Head) *LocalReply {
	if d.Method != telemetry.MethodOptions && d.Method != telemetry.MethodTrace {
		return nil
	}
	var field *message.Field
	for i := range h.Fields {
		if f := &h.Fields[i]; !f.Hop && message.EqualFold(h.Name(f), maxForwards) {
			if field != nil {
				return nil
			}
			field = f
		}
	}
	if field == nil {
		return nil
	}
	n, ok := message.ParseLength(h.Value(field))
	switch {
	case !ok:
		return nil
	case n > 0:
	case d.Method == telemetry.MethodTrace:
		return ReplyTrace
	default:
		return ReplyOptions
	}
	field.Hop = true
	h.Buf = slices.Clip(h.Buf) // what lies behind it belongs to others
	h.Append([]byte(maxForwards), strconv.AppendInt(nil, n-1, 10))
	return nil
}
