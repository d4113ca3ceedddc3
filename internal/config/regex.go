package config

import (
	"errors"
	"regexp"
	"regexp/syntax"

	"go.yaml.in/yaml/v4"
)

// Bounds of patterns. A match costs at most the text's length times the instructions of the pattern; a program in
// memory is about 40 bytes an instruction.
const (
	maxRegexes           = 1000 // of a document
	maxRegexInstructions = 2000 // of one pattern
)

// CompileWhole compiles a pattern of a document so that it fits whole texts only.
func CompileWhole(pattern string, ignoreCase bool) (*regexp.Regexp, error) {
	if ignoreCase {
		return regexp.Compile(`\A(?i:` + pattern + `)\z`)
	}
	return regexp.Compile(`\A(?:` + pattern + `)\z`)
}

// pathRegex fits whole paths.
var pathRegex = text(func(s string) (string, error) {
	if s == "" {
		return "", errors.New("want a pattern, leave path_regex out for any path")
	}
	return s, nil
}).then(func(d *decoder, n *yaml.Node, v *string) { d.checkRegex(n, *v) })

// checkRegex refuses what is no pattern, and what would cost too much. The pattern is not shown: it may hold a secret.
func (d *decoder) checkRegex(n *yaml.Node, pattern string) {
	if d.regexes++; d.regexes == maxRegexes+1 {
		d.problem(n, "want at most %d patterns in a document", maxRegexes)
	}
	tree, err := syntax.Parse(pattern, syntax.Perl)
	var wrong *syntax.Error
	if errors.As(err, &wrong) {
		d.problem(n, "want a pattern of RE2 (%s)", wrong.Code)
		return
	}
	if err == nil {
		program, err := syntax.Compile(tree.Simplify())
		if err == nil && len(program.Inst) <= maxRegexInstructions {
			return
		}
		d.problem(n, "want a simpler pattern: this one needs more than %d steps for each byte", maxRegexInstructions)
	}
}
