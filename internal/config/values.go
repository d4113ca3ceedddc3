package config

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

// The kinds of single value. Each takes just one notation. A value that could be read in two ways (an unquoted 1.10 as
// a name, a 5 as a duration) is refused.

const (
	maxText     = 4096
	minDuration = time.Millisecond // finer than this no deadline is kept
	maxDuration = 365 * 24 * time.Hour
)

// scalar gives a node's text if it is a single value with one of the tags.
func (d *decoder) scalar(n *yaml.Node, want string, tags ...string) (string, bool) {
	if n.Kind == yaml.ScalarNode && slices.Contains(tags, n.Tag) {
		return n.Value, true
	}
	d.problem(n, "want %s (%s)", want, seen(n))
	return "", false
}

// text is a string that a check may refuse or bring into its one form. The
// check's error says what is wrong, without what was seen.
func text(check func(s string) (string, error)) kind[string] {
	return kind[string]{
		decode: func(d *decoder, n *yaml.Node, v *string) {
			if n.Kind == yaml.ScalarNode && n.Tag != "!!str" && n.Tag != "!!null" {
				d.problem(n, "want text, which needs quotes here (%s)", seen(n))
				return
			}
			s, ok := d.scalar(n, "text", "!!str")
			if !ok {
				return
			}
			if len(s) > maxText {
				d.problem(n, "longer than %d bytes (%d bytes)", maxText, len(s))
				return
			}
			s, err := check(s)
			if err != nil {
				d.problem(n, "%s (%s)", err, seen(n))
				return
			}
			*v = s
		},
		encode: func(e *encoder, v *string) { e.text(*v) },
	}
}

// or lets the empty string mean "not set".
func (k kind[V]) or(empty V) kind[V] {
	decode := k.decode
	k.decode = func(d *decoder, n *yaml.Node, v *V) {
		if n.Kind == yaml.ScalarNode && n.Tag == "!!str" && n.Value == "" {
			*v = empty
			return
		}
		decode(d, n, v)
	}
	return k
}

// word is one of a few.
func word(words ...string) kind[string] {
	want := "one of " + strings.Join(words, ", ")
	return kind[string]{
		decode: func(d *decoder, n *yaml.Node, v *string) {
			s, ok := d.scalar(n, want, "!!str")
			if !ok {
				return
			}
			if !slices.Contains(words, s) {
				like := translated(s, words)
				d.problem(n, "want %s (%s)%s", want, seen(n), either(like != "", ", did you mean "+like+"?", ""))
				return
			}
			*v = s
		},
		encode: func(e *encoder, v *string) { e.text(*v) },
	}
}

// flag is true or false.
var flag = kind[bool]{
	decode: func(d *decoder, n *yaml.Node, v *bool) {
		if s, ok := d.scalar(n, "true or false", "!!bool"); ok {
			*v = strings.EqualFold(s, "true")
		}
	},
	encode: func(e *encoder, v *bool) { e.bool(*v) },
}

// count is a whole decimal number.
func count(least, most int) kind[int] {
	return kind[int]{
		decode: func(d *decoder, n *yaml.Node, v *int) {
			s, ok := d.scalar(n, "a whole number", "!!int")
			if !ok {
				return
			}
			i, err := strconv.Atoi(s)
			switch {
			case strconv.Itoa(i) != s && err == nil:
				d.problem(n, "want a plain decimal number (seen %s)", shown(s))
			case err != nil || i < least || i > most:
				d.problem(n, "want a number from %d to %d (seen %s)", least, most, shown(s))
			default:
				*v = i
			}
		},
		encode: func(e *encoder, v *int) { e.int(int64(*v)) },
	}
}

// share is a number with a fraction.
func share(least, most float64) kind[float64] {
	return kind[float64]{
		decode: func(d *decoder, n *yaml.Node, v *float64) {
			s, ok := d.scalar(n, "a number", "!!int", "!!float")
			if !ok {
				return
			}
			f, err := strconv.ParseFloat(s, 64)
			if err != nil || math.IsNaN(f) || f < least || f > most || strings.ContainsAny(s, "_xX") {
				d.problem(n, "want a number from %s to %s (seen %s)", decimal(least), decimal(most), shown(s))
				return
			}
			*v = math.Abs(f) // there is no -0
		},
		encode: func(e *encoder, v *float64) { e.float(*v) },
	}
}

func decimal(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

// duration is a number with its unit. 0 is allowed where it means none.
func duration(zero bool) kind[time.Duration] {
	return kind[time.Duration]{
		decode: func(d *decoder, n *yaml.Node, v *time.Duration) {
			s, ok := d.scalar(n, "a duration such as 5s", "!!str", "!!int", "!!float")
			if !ok {
				return
			}
			t, err := time.ParseDuration(s)
			switch {
			case n.Tag != "!!str" && s != "0":
				d.problem(n, "want a duration with its unit, such as %ss or %sms (seen %s)", shown(s), shown(s),
					shown(s))
			case err != nil || strings.ContainsAny(s, "+-"):
				d.problem(n, "want a duration such as 5s, 1h30m or 250ms (%s)", seen(n))
			case t == 0 && !zero:
				d.problem(n, "want more than 0: it would wait without end (%s)", seen(n))
			case t != 0 && t < minDuration, t > maxDuration:
				d.problem(n, "want a duration from 1ms to 8760h (%s)", seen(n))
			default:
				*v = t
			}
		},
		encode: func(e *encoder, v *time.Duration) { e.duration(*v) },
	}
}

// size is a number of bytes, bare or with a unit.
var size = kind[int64]{
	decode: func(d *decoder, n *yaml.Node, v *int64) {
		s, ok := d.scalar(n, "a size such as 64KiB", "!!str", "!!int")
		if !ok {
			return
		}
		b, err := ParseSize(s)
		if err != nil {
			d.problem(n, "%s (%s)", err, seen(n))
			return
		}
		*v = b
	},
	encode: func(e *encoder, v *int64) { e.int(*v) },
}
