package config

import "bytes"

// readAhead tells how many tokens the YAML library may have read and not given out. It gives them out one by one, but
// where a scalar or a bracket may still turn out to be a key. Then it reads on until it knows. That is at the next
// comma of the same list or mapping, or at the end of the line outside of brackets. Quoted texts in a row, which are
// no YAML, have neither.
//
// It follows the text byte by byte as the library's scanner does. Where it is not sure to do so, it counts all that may
// be a token, to the end of the text.
type readAhead struct {
	tokens int  // that may be waiting
	item   bool // a bracket that may be a key is among them
	unsure bool // quotes and brackets can not be told from text any more

	state  lexState
	quoted bool   // the token before was a quoted scalar
	open   []bool // of each open bracket: whether it may be a key, so that what is in it waits

	line, column int  // of the byte that comes next; the column from 0
	indent       int  // the column of the key, or dash, that the value in hand belongs to
	blank        bool // the byte before is a blank
	fresh        bool // the line has had spaces only

	mayBegin  bool // a key may begin with the next token
	key       keyPlace
	valueOnly bool // the token before was the colon of a key: what comes is no key

	literal int // the column of a literal's text; -1: not known yet
}

// keyPlace is where the scalar began that the colon behind it makes a key.
type keyPlace struct {
	at, line, column int
	possible         bool
}

type lexState uint8

const (
	lexToken lexState = iota // between two tokens
	lexPlain
	lexSingle
	lexSingleEnd // behind a quote that ends the scalar, unless another one follows
	lexDouble
	lexEscape
	lexComment
	lexProperty // a tag, an anchor or an alias
	lexHeader   // of a literal, up to the end of its line
	lexLiteral
	lexContinued // a new line behind a plain scalar, which may go on
)

// maxKeyBytes is shorter than what the library takes for a key.
const maxKeyBytes = 1000

func newReadAhead() readAhead {
	return readAhead{indent: -1, fresh: true, blank: true, mayBegin: true}
}

func (a *readAhead) flow() bool { return len(a.open) > 0 }

// waits tells whether what is in the brackets may belong to a key.
func (a *readAhead) waits() bool {
	for _, key := range a.open {
		if key {
			return true
		}
	}
	return false
}

// most bounds the tokens.
func (a *readAhead) most() int {
	if a.unsure || a.item {
		return maxItemWeight
	}
	return maxChain
}

// next takes byte i of text.
func (a *readAhead) next(text []byte, i int) {
	c := text[i]
	after := byte('\n')
	if i+1 < len(text) {
		after = text[i+1]
	}
	if a.unsure {
		a.tokens += tokenWeight(text, i)
		return
	}
	if c == '\r' && after != '\n' || c == 0xc2 && after == 0x85 ||
		c == 0xe2 && bytes.HasPrefix(text[i+1:], []byte{0x80}) && i+2 < len(text) && text[i+2]|1 == 0xa9 {
		a.unsure = true // ends of lines that nobody writes
		return
	}
	a.step(text, i, c, after)
	a.blank = isBlank(c)
	a.column++
	if c == '\n' {
		a.line++
		a.column, a.fresh = 0, true
	} else if c != ' ' {
		a.fresh = false
	}
}

// step is next without the counting of columns.
func (a *readAhead) step(text []byte, i int, c, after byte) {
	switch a.state {
	case lexSingle:
		if c == '\'' {
			a.state = lexSingleEnd
		}
		return
	case lexSingleEnd:
		if c == '\'' {
			a.state = lexSingle
			return
		}
		a.state, a.quoted = lexToken, true
	case lexDouble:
		switch c {
		case '\\':
			a.state = lexEscape
		case '"':
			a.state, a.quoted = lexToken, true
		}
		return
	case lexEscape:
		a.state = lexDouble
		return
	case lexComment:
		if c != '\n' {
			return
		}
		a.state = lexToken
	case lexProperty:
		if !isBlank(c) && !(a.flow() && isFlowMark(c)) {
			return
		}
		a.state = lexToken
	case lexHeader:
		if c == '\n' {
			a.state, a.literal = lexLiteral, -1
			a.ended()
		} else if c >= '0' && c <= '9' {
			a.unsure = true
		}
		return
	case lexLiteral:
		if !a.leavesLiteral(c) {
			return
		}
		a.state = lexToken
	case lexContinued:
		if isBlank(c) {
			return
		}
		a.state = lexToken
		if a.column > a.indent && c != '#' {
			a.state = lexPlain
		}
	}
	if a.state == lexPlain {
		if !a.leavesPlain(c, after) {
			return
		}
	}
	a.token(text, i, c, after)
}

func isFlowMark(c byte) bool { return c == ',' || c == '[' || c == ']' || c == '{' || c == '}' }

// ended notes the end of a line outside of brackets: whatever was in it, is known to be no key, or one.
func (a *readAhead) ended() {
	if !a.flow() {
		a.mayBegin, a.valueOnly, a.key.possible = true, false, false
		a.tokens, a.item = 0, false
	}
}

// leavesLiteral tells whether the text of a literal is over in front of c.
func (a *readAhead) leavesLiteral(c byte) bool {
	switch {
	case !a.fresh || c == ' ' || c == '\n' || c == '\r':
		return false
	case a.literal < 0 && a.column > a.indent:
		a.literal = a.column
		return false
	}
	return a.literal < 0 || a.column < a.literal
}

// leavesPlain tells whether a plain scalar is over in front of c.
func (a *readAhead) leavesPlain(c, after byte) bool {
	switch {
	case c == '\n' && !a.flow():
		a.ended()
		a.state = lexContinued
		return false
	case c == ':' && (isBlank(after) || a.flow() && isFlowMark(after)), c == '#' && a.blank, a.flow() && isFlowMark(c):
		a.state = lexToken
		return true
	}
	return false
}

// token takes a byte that may begin a token.
func (a *readAhead) token(text []byte, i int, c, after byte) {
	quoted, valueOnly := a.quoted, a.valueOnly
	if !isBlank(c) {
		a.quoted, a.valueOnly = false, false
	}
	switch {
	case c == '\n':
		a.valueOnly = false
		a.ended()
	case isBlank(c):
	case c == '#':
		a.tokens += 6
		a.state, a.unsure = lexComment, !a.blank
	case c == '[', c == '{':
		a.open = append(a.open, !valueOnly)
		a.item = a.item || !valueOnly
		a.tokens++
		a.mayBegin, a.key.possible = true, false
	case c == ']', c == '}':
		a.open = a.open[:max(len(a.open)-1, 0)]
		a.tokens++
		a.mayBegin, a.key.possible = false, false
	case c == ',' && a.flow():
		a.tokens++
		if !a.waits() {
			a.tokens, a.item = 0, false
		}
		a.mayBegin, a.key.possible = true, false
	case c == ':' && (isBlank(after) || a.flow() && (quoted || isFlowMark(after))):
		a.colon(i)
	case c == '-' && !a.flow() && isBlank(after), c == '?' && isBlank(after):
		a.tokens++
		a.mayBegin, a.key.possible = true, false
		a.indent = a.column
		a.unsure = c == '?'
	case a.column == 0 && bytes.HasPrefix(text[i:], []byte("---")) && (i+3 == len(text) || isBlank(text[i+3])):
		a.valueOnly = true // no key begins in the line of the mark
		a.state = lexProperty
	case c == '!' || c == '&' || c == '*':
		a.tokens++
		a.mark(i)
		a.state, a.unsure = lexProperty, after == '<'
	case (c == '|' || c == '>') && !a.flow():
		a.tokens++
		a.state = lexHeader
	case c == '\'':
		a.mark(i)
		a.tokens++
		a.state = lexSingle
	case c == '"':
		a.mark(i)
		a.tokens++
		a.state = lexDouble
	case c == '%' || c == '@' || c == '`':
		a.unsure = true
	default:
		a.mark(i)
		a.tokens++
		a.state = lexPlain
		if c == '?' {
			a.unsure = true
		}
	}
}

// mark notes that a scalar begins.
func (a *readAhead) mark(i int) {
	a.key = keyPlace{at: i, line: a.line, column: a.column, possible: a.mayBegin}
	a.mayBegin = false
}

// colon takes the colon behind a key, if that is one.
func (a *readAhead) colon(i int) {
	a.tokens++
	if a.key.possible && a.key.line == a.line && i-a.key.at < maxKeyBytes {
		a.valueOnly = true
		if !a.flow() {
			a.indent = a.key.column
		}
	}
	a.key.possible, a.mayBegin = false, false
}
