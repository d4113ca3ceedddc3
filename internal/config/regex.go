package config

import (
	"cmp"
	"errors"
	"regexp"
	"regexp/syntax"

	"go.yaml.in/yaml/v4"
)

// Bounds of patterns. A match costs at most the text's length times the steps of the pattern; a step in memory is about
// 40 bytes.
const (
	maxRegexes       = 1000    // of a document
	maxRegexSteps    = 2000    // of one pattern
	maxAllRegexSteps = 100_000 // of a document
)

// regexFlags is RE2 without the classes of Unicode (\pL), of which three bytes cost kilobytes.
const regexFlags = syntax.Perl &^ syntax.UnicodeGroups

// CompileWhole compiles a pattern of a document so that it fits whole texts only.
func CompileWhole(pattern string, ignoreCase bool) (*regexp.Regexp, error) {
	flags := regexFlags
	if ignoreCase {
		flags |= syntax.FoldCase
	}
	tree, err := syntax.Parse(pattern, flags)
	if err != nil {
		return nil, err
	}
	// What was parsed is written anew: a pattern may end inside \Q, which would take in what is added.
	return regexp.Compile(`\A(?:` + tree.String() + `)\z`)
}

// CompilePart compiles a pattern of a document so that it fits parts of texts.
func CompilePart(pattern string) (*regexp.Regexp, error) {
	tree, err := syntax.Parse(pattern, regexFlags)
	if err != nil {
		return nil, err
	}
	return regexp.Compile(tree.String())
}

// pathRegex fits whole paths.
var pathRegex = text(func(s string) (string, error) {
	if s == "" {
		return "", errors.New("want a pattern, leave path_regex out for any path")
	}
	return s, nil
}).thenCheck(checkRegex).thenCheck(checkPathRegex)

// checkRegex refuses what is no pattern, and what would cost too much. The pattern is not shown: it may hold a secret.
func checkRegex(d *decoder, n *yaml.Node, pattern *string) {
	if d.regexes++; d.regexes > maxRegexes || d.regexSteps > maxAllRegexSteps {
		d.problem(n, "want at most %d patterns in a document, and at most %d steps in all of them", maxRegexes,
			maxAllRegexSteps)
		return
	}
	tree, err := syntax.Parse(*pattern, regexFlags)
	if wrong, ok := errors.AsType[*syntax.Error](err); ok {
		d.problem(n, "want a pattern of RE2 (%s)", cmp.Or(notRE2[wrong.Code], wrong.Code.String()))
		return
	}
	steps := regexSteps(tree)
	if d.regexSteps += steps; steps > maxRegexSteps {
		d.problem(n, "want a simpler pattern: this one has more than %d steps", maxRegexSteps)
	}
}

// notRE2 says of what other languages of patterns have that RE2, or the part of it that is read, has it not.
var notRE2 = map[syntax.ErrorCode]string{
	syntax.ErrInvalidPerlOp:     "there is no (?=, (?!, (?<= nor (?<!",
	syntax.ErrInvalidEscape:     `there are no \1 nor other letters than those of RE2 behind a \`,
	syntax.ErrInvalidCharRange:  `a range goes upwards, and there are no classes of Unicode such as \pL`,
	syntax.ErrInvalidRepeatSize: "{n,m} repeats 1000 times at most, nested ones multiplied, and n is not above m",
}

// checkPathRegex refuses a pattern that fits no path: each begins with a slash.
func checkPathRegex(d *decoder, n *yaml.Node, pattern *string) {
	if tree, err := syntax.Parse(*pattern, regexFlags); err == nil && !mayBeginWith(tree, '/') {
		d.problem(n, "want a pattern for the whole path, which begins with /: this one fits none")
	}
}

// mayBeginWith tells whether a text that fits may begin with r. Where that depends on what is around, it may.
func mayBeginWith(tree *syntax.Regexp, r rune) bool {
	prog, err := syntax.Compile(tree.Simplify())
	if err != nil {
		return true
	}
	seen := make([]bool, len(prog.Inst))
	next := []uint32{uint32(prog.Start)}
	for len(next) > 0 {
		at := next[len(next)-1]
		next = next[:len(next)-1]
		if seen[at] {
			continue
		}
		seen[at] = true
		switch i := &prog.Inst[at]; i.Op {
		case syntax.InstAlt, syntax.InstAltMatch:
			next = append(next, i.Out, i.Arg)
		case syntax.InstCapture, syntax.InstNop, syntax.InstEmptyWidth:
			next = append(next, i.Out)
		case syntax.InstRune, syntax.InstRune1, syntax.InstRuneAny, syntax.InstRuneAnyNotNL:
			if i.MatchRune(r) {
				return true
			}
		case syntax.InstMatch, syntax.InstFail:
		}
	}
	return false
}

// regexSteps is about how many instructions a pattern has when it is compiled, as far as the bound needs it.
func regexSteps(tree *syntax.Regexp) int {
	steps := 1 + len(tree.Rune)
	for _, sub := range tree.Sub {
		steps = min(steps+regexSteps(sub), maxRegexSteps+1)
	}
	if tree.Op == syntax.OpRepeat {
		steps *= max(tree.Min, tree.Max, 1)
	}
	return min(steps, maxRegexSteps+1)
}
