package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// encoder appends one JSON value. The text is canonical: one document, one text.
type encoder struct {
	out    []byte
	hash   hash.Hash // nil: all of the text is kept
	sparse bool      // leave out whatever is zero, as the lists of a Base mean it
}

// JSON gives the effective document as text that decodes to the same revision.
func (d *Document) JSON() []byte {
	var out bytes.Buffer
	if err := json.Indent(&out, d.canonical(), "", "  "); err != nil {
		panic("BUG: the effective document is not JSON: " + err.Error())
	}
	out.WriteByte('\n')
	return out.Bytes()
}

// YAML gives the effective document as text that decodes to the same revision.
func (d *Document) YAML() ([]byte, error) {
	var n yaml.Node
	if err := yaml.Load(append([]byte(startMark), d.canonical()...), &n); err != nil {
		return nil, err
	}
	plain(&n)
	return yaml.Dump(&n, yaml.WithIndent(2))
}

// canonical is the text whose hash is the revision's identity.
func (d *Document) canonical() []byte {
	e := encoder{out: make([]byte, 0, 256*(1+len(d.Routes)+len(d.Clusters)))}
	documentBlock.encode(&e, d)
	return e.out
}

// plain drops JSON's brackets and quotes from a tree; what needs quotes to stay
// text is quoted again by the writer.
func plain(n *yaml.Node) {
	if len(n.Content) > 0 || n.Kind == yaml.ScalarNode {
		n.Style = 0
	}
	for _, c := range n.Content {
		plain(c)
	}
}

func (e *encoder) open(b byte)  { e.out = append(e.out, b) }
func (e *encoder) close(b byte) { e.out = append(e.out, b) }

// mostUnhashed is about how much of a text waits for a hash.
const mostUnhashed = 16 << 10

// item begins the next value of a list.
func (e *encoder) item() {
	if last := len(e.out) - 1; e.hash != nil && last >= mostUnhashed {
		e.hash.Write(e.out[:last])
		e.out = append(e.out[:0], e.out[last]) // which is looked at
	}
	if last := e.out[len(e.out)-1]; last != '[' && last != '{' {
		e.out = append(e.out, ',')
	}
}

// key begins the next value of a mapping.
func (e *encoder) key(k string) {
	e.item()
	e.text(k)
	e.out = append(e.out, ':')
}

func (e *encoder) text(s string) {
	if i := strings.IndexFunc(s, func(r rune) bool { return r < ' ' || r > '~' || r == '"' || r == '\\' }); i < 0 {
		e.out = append(e.out, '"')
		e.out = append(e.out, s...)
		e.out = append(e.out, '"')
		return
	}
	e.out = append(e.out, '"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			e.out = append(e.out, '\\', byte(r))
		case r < ' ' || r > '~' && r <= 0xffff:
			e.out = fmt.Appendf(e.out, `\u%04x`, r)
		default: // YAML does not know the pairs by which JSON escapes these
			e.out = utf8.AppendRune(e.out, r)
		}
	}
	e.out = append(e.out, '"')
}

func (e *encoder) int(i int64)     { e.out = strconv.AppendInt(e.out, i, 10) }
func (e *encoder) bool(b bool)     { e.out = strconv.AppendBool(e.out, b) }
func (e *encoder) float(f float64) { e.out = strconv.AppendFloat(e.out, f, 'f', -1, 64) }

func (e *encoder) duration(d time.Duration) { e.text(DurationText(d)) }

// DurationText writes a duration as a document would: 1h, not 1h0m0s.
func DurationText(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = s[:len(s)-2]
	}
	if strings.HasSuffix(s, "h0m") {
		s = s[:len(s)-2]
	}
	return s
}
