package config

import (
	"errors"
	"fmt"
	"strings"

	"github.com/hashicorp/go-bexpr"
)

const (
	// maxFilter is as long as an expression may be that is sent in the URL of each query.
	maxFilter = 1024

	// maxFilterWork bounds how long reading an expression takes, here and in every server that is queried. Of
	// parentheses in parentheses, each pair takes four times as long as the one around it. This is some 10 ms.
	maxFilterWork = 200_000
)

// consulFilter is an expression that Consul can read. Whether there is such a field only Consul knows.
var consulFilter = text(func(s string) (string, error) {
	s = strings.TrimSpace(s) // folded text of YAML ends with a line break
	switch {
	case s == "":
		return "", errors.New("want an expression, leave filter out for none")
	case len(s) > maxFilter:
		return "", fmt.Errorf("want an expression of at most %d bytes", maxFilter)
	}
	if err := checkPrintable(s); err != nil {
		return "", err
	}
	return s, parseFilter(s)
})

// parseFilter tells what is wrong with an expression, with the column in it.
func parseFilter(s string) error {
	_, err := bexpr.Parse("", []byte(s), bexpr.MaxExpressions(maxFilterWork))
	if err == nil {
		return nil
	}
	first, _, _ := strings.Cut(err.Error(), "\n")
	if strings.Contains(first, "max number of") {
		return errors.New("want a simpler expression, with fewer parentheses in parentheses: Consul would read it " +
			"for long")
	}
	place, what, _ := strings.Cut(first, ": ") // "1:22 (21)": line, column, offset
	_, column, _ := strings.Cut(place, ":")
	column, _, _ = strings.Cut(column, " ")
	return fmt.Errorf("want an expression as Consul reads it; at its character %s: %s", column, what)
}
