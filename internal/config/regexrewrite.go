package config

import (
	"errors"
	"fmt"
	"regexp/syntax"
	"strings"

	"go.yaml.in/yaml/v4"
)

// RegexRewrite replaces what fits a pattern in the path of a request.
type RegexRewrite struct {
	Pattern      string // RE2, for parts of the normalised path; empty = nothing is rewritten
	Substitution string // of each part that fits: see [ParseSubstitution]
}

// maxGroups is as many as $1 to $9 name.
const maxGroups = 9

var regexRewriteBlock = block[RegexRewrite]{
	form: `{pattern: "^/u/([0-9]+)", substitution: "/users/$1"}`,
	fields: []field[RegexRewrite]{
		at("pattern", func(r *RegexRewrite) *string { return &r.Pattern }, rewritePattern),
		at("substitution", func(r *RegexRewrite) *string { return &r.Substitution }, substitution),
	},
	end: func(d *decoder, n *yaml.Node, r *RegexRewrite) {
		for _, key := range []string{"pattern", "substitution"} {
			if !has(n, key) {
				d.problem(n, "%s is missing", key)
			}
		}
		tree, err := syntax.Parse(r.Pattern, regexFlags)
		if err != nil || r.Pattern == "" {
			return // told of already
		}
		pieces, _ := ParseSubstitution(r.Substitution)
		groups := tree.MaxCap()
		for _, p := range pieces {
			if p.Group > groups {
				d.problemIn(n, "substitution", "the pattern has no group $%d (it has %s)", p.Group,
					counted(groups, "group"))
			}
		}
		if groups > maxGroups {
			d.problemIn(n, "pattern", "want at most %d groups, write (?:...) for one that is not used (seen %d)",
				maxGroups, groups)
		}
	},
}

var rewritePattern = text(func(s string) (string, error) {
	if s == "" {
		return "", errors.New("want a pattern, leave regex_rewrite out for none")
	}
	return s, nil
}).thenCheck(checkRegex)

var substitution = text(func(s string) (string, error) {
	if strings.ContainsAny(s, "?#") {
		return "", errors.New("want a part of a path, without ? and #")
	}
	for segment := range strings.SplitSeq(s, "/") {
		if segment == "." || segment == ".." {
			return "", errors.New("want a part of a path without . and .. as segments")
		}
	}
	if i := strings.IndexByte(s, '\\'); i >= 0 && i+1 < len(s) && s[i+1]-'0' <= maxGroups {
		return "", fmt.Errorf("want $%c for a group", s[i+1])
	}
	if _, err := ParseSubstitution(s); err != nil {
		return "", err
	}
	return s, checkPathBytes(strings.NewReplacer("{", "", "}", "").Replace(s))
})

// SubstitutionPart is a part of a substitution: text, or with a Group from 0 on what that group fitted.
type SubstitutionPart struct {
	Text  string
	Group int // -1: text
}

// ParseSubstitution takes a substitution apart: $1 or ${1} is what the first group fitted, $0 all that fitted, $$ is a
// dollar, all else is text.
func ParseSubstitution(s string) ([]SubstitutionPart, error) {
	var parts []SubstitutionPart
	for rest := s; rest != ""; {
		before, after, found := strings.Cut(rest, "$")
		if before != "" {
			parts = append(parts, SubstitutionPart{before, -1})
		}
		if !found {
			break
		}
		digits, behind, braced := after, "", strings.HasPrefix(after, "{")
		if braced {
			var closed bool
			if digits, behind, closed = strings.Cut(after[1:], "}"); !closed {
				digits = ""
			}
		} else if after != "" {
			digits, behind = after[:1], after[1:]
		}
		switch {
		case digits == "$" && !braced:
			parts = append(parts, SubstitutionPart{"$", -1})
		case len(digits) != 1 || digits[0] < '0' || digits[0] > '9':
			return nil, errors.New("want $0 to $9 or ${0} to ${9} for a group, $$ for a dollar")
		case !braced && behind != "" && behind[0] >= '0' && behind[0] <= '9':
			return nil, fmt.Errorf("want ${%s} for a group with a digit behind it", digits)
		default:
			parts = append(parts, SubstitutionPart{"", int(digits[0] - '0')})
		}
		rest = behind
	}
	return parts, nil
}
