package cli

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// The help of each verb fits on a terminal of 80 columns, and does not repeat the flags of gateway.
func TestHelpFits(t *testing.T) {
	verbs := []string{""}
	for _, c := range newRoot(&Process{}).Commands() {
		verbs = append(verbs, c.Name())
	}
	for _, verb := range verbs {
		got := do(t, Process{}, strings.Fields(verb+" --help")...)
		if got.code != 0 || got.stderr != "" {
			t.Errorf("gateway %s --help: %+v", verb, got)
		}
		for line := range strings.Lines(got.stdout) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > helpWidth {
				t.Errorf("gateway %s --help has a line of %d columns: %s", verb, n, line)
			}
		}
		if n := strings.Count(got.stdout, "\n"); verb != "" && n > 60 {
			t.Errorf("gateway %s --help has %d lines, want at most 60", verb, n)
		}
	}
}
