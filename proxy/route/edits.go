package route

import (
	"slices"
	"strings"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/proxy/message"
)

// Edits are what a route changes of the fields of a head: those of the document and then its own, as one step. nil:
// nothing. Immutable.
type Edits struct {
	drop   message.Set // known names of which no field stays
	others []string    // other names of which no field stays, nor of one that an app may take for it; in lower case
	added  []addedField
}

// addedField is a field that is written behind all others.
type addedField struct {
	name  []byte // in lower case
	value []config.Piece
}

// compileEdits makes one of edits that follow each other.
func compileEdits(fixed *[config.VariableCount]string, list ...*config.HeaderEdits) (*Edits, error) {
	e := new(Edits)
	for _, c := range list {
		for _, name := range c.Remove {
			e.remove(name)
		}
		for i := range c.Set {
			e.remove(c.Set[i].Name)
		}
		for _, h := range slices.Concat(c.Set, c.Add) {
			value, err := config.ParseTemplate(h.Value)
			if err != nil {
				return nil, err
			}
			e.added = append(e.added, addedField{[]byte(h.Name), fold(value, fixed)})
		}
	}
	if e.drop == 0 && len(e.others)+len(e.added) == 0 {
		return nil, nil
	}
	return e, nil
}

// remove drops the fields of that name, also those that were added so far.
func (e *Edits) remove(name string) {
	e.added = slices.DeleteFunc(e.added, func(f addedField) bool { return string(f.name) == name })
	id := message.Lookup([]byte(name))
	if id != message.Other {
		e.drop |= message.Of(id)
	}
	if (id == message.Other || strings.Contains(name, "-")) && !slices.Contains(e.others, name) {
		e.others = append(e.others, name)
	}
}

// fold writes the variables that are the same for all requests into the text around them.
func fold(value []config.Piece, fixed *[config.VariableCount]string) []config.Piece {
	var folded []config.Piece
	for _, p := range value {
		switch p.Variable {
		case config.VarRoute, config.VarRevision, config.VarService, config.VarInstance:
			p = config.Piece{Text: string(appendField(nil, fixed[p.Variable]))}
		}
		if last := len(folded) - 1; p.Variable == config.NoVariable && last >= 0 &&
			folded[last].Variable == config.NoVariable {
			folded[last].Text += p.Text
			continue
		}
		folded = append(folded, p)
	}
	return folded
}

// Drops tells whether no field with the ID stays of those that the gateway writes itself.
func (e *Edits) Drops(id message.ID) bool { return e != nil && e.drop.Has(id) }

// Mark marks the fields of h that are not passed on.
func (e *Edits) Mark(h *message.Head) {
	if e == nil || h.Present&e.drop == 0 && len(e.others) == 0 {
		return
	}
	for i := range h.Fields {
		f := &h.Fields[i]
		if f.ID != message.Other {
			f.Hop = f.Hop || e.drop.Has(f.ID)
			continue
		}
		name := h.Name(f)
		for _, other := range e.others {
			f.Hop = f.Hop || message.EqualSpelling(name, other)
		}
	}
}

// FieldWriter takes the fields that are added to a head, in whatever version it is written.
type FieldWriter interface {
	// BeginField begins a field of a name in lower case, which has to stay as it is until the head is written. To what
	// is returned its value is appended.
	BeginField(name []byte) []byte
	// EndField ends the field. b is what BeginField returned with the value behind it, of which n bytes are.
	EndField(name, b []byte, n int)
}

// Add writes the fields that are added to a head of the exchange x.
func (e *Edits) Add(to FieldWriter, x *Exchange) {
	if e == nil {
		return
	}
	for i := range e.added {
		f := &e.added[i]
		b := to.BeginField(f.name)
		start := len(b)
		b = x.appendValue(b, f.value)
		to.EndField(f.name, b, len(b)-start)
	}
}

// Exchange is what variables tell of. What is not known yet is nil or empty.
type Exchange struct {
	Decision *Decision
	Request  *message.Head
	Client   *Client
	Endpoint string // its address
}

// appendValue appends a value without space around it: a variable at either end may be empty, or have some. HTTP/2
// forbids such space (RFC 9113 section 8.2.1).
func (x *Exchange) appendValue(dst []byte, value []config.Piece) []byte {
	start := len(dst)
	for i := range value {
		if p := &value[i]; p.Variable != config.NoVariable {
			dst = x.appendVariable(dst, p.Variable)
		} else {
			dst = append(dst, p.Text...)
		}
	}
	if message.Padded(dst[start:]) {
		n := copy(dst[start:], message.TrimSpace(dst[start:]))
		dst = dst[:start+n]
	}
	return dst
}

func (x *Exchange) appendVariable(dst []byte, v config.Variable) []byte {
	d, h, c := x.Decision, x.Request, x.Client
	switch v {
	case config.VarRemoteIP:
		return d.appendRemote(dst, c)
	case config.VarHost:
		return appendField(dst, h.Authority)
	case config.VarPath:
		return appendField(dst, h.Path)
	case config.VarMethod:
		return appendField(dst, h.Method)
	case config.VarScheme:
		return append(dst, clientScheme(h, c)...)
	case config.VarRequestID:
		return appendField(dst, d.RequestID(h))
	case config.VarTraceID:
		if d.Trace.On() {
			return d.Trace.AppendTraceID(dst)
		}
		return appendField(dst, TraceID(h))
	case config.VarCluster:
		if d.Upstream != nil {
			dst = append(dst, d.Upstream.Cluster.Name()...)
		}
	case config.VarEndpoint:
		return appendField(dst, x.Endpoint)
	case config.VarListener:
		return append(dst, c.Listener.Name...)
	case config.VarClientIdentity:
		if c.TLS != nil {
			dst = appendField(dst, c.TLS.Identity)
		}
	case config.VarTLSVersion:
		if c.TLS != nil {
			dst = append(dst, c.TLS.Version...)
		}
	}
	return dst
}

// appendField appends what a field can carry as it is, and percent-encodes control bytes (RFC 9110 section 5.5).
func appendField[V []byte | string](dst []byte, v V) []byte {
	const hexUpper = "0123456789ABCDEF"
	for i := range len(v) {
		if c := v[i]; c < ' ' || c == 0x7f {
			dst = append(dst, '%', hexUpper[c>>4], hexUpper[c&0xf])
		} else {
			dst = append(dst, c)
		}
	}
	return dst
}

// TraceID is the id of the trace that the request h belongs to, as its traceparent has it; nil: it names none.
// Where requests are traced, their Decision knows better.
func TraceID(h *message.Head) []byte {
	if tp := h.Get(message.Traceparent); len(tp) >= 35 && tp[2] == '-' { // 00-<32 hex>-...
		return tp[3:35]
	}
	return nil
}

// RequestID is the id of the request h on which d was made.
func (d *Decision) RequestID(h *message.Head) []byte {
	if id := d.ID.Bytes(); len(id) > 0 {
		return id
	}
	return ownRequestID(h)
}
