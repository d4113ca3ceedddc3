package filewatch

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestChain(t *testing.T) {
	root, err := filepath.EvalSymlinks(t.TempDir())
	must(t, err)
	at := func(parts ...string) string { return filepath.Join(append([]string{root}, parts...)...) }
	for _, dir := range []string{"plain", "secret", "secret/..v1", "elsewhere"} {
		must(t, os.Mkdir(at(dir), 0o700))
	}
	for _, file := range []string{"plain/a.pem", "secret/..v1/a.pem", "elsewhere/a.pem"} {
		write(t, at(file), nil)
	}
	for link, target := range map[string]string{
		"secret/..data":   "..v1",
		"secret/a.pem":    "..data/a.pem",
		"plain/link.pem":  "../elsewhere/./a.pem",
		"current":         at("elsewhere"),
		"loop":            "loop",
		"plain/gone.pem":  "../gone/a.pem",
		"plain/escape.pm": "../../../../../../../../../../../../../../../x-not-there/a",
	} {
		must(t, os.Symlink(target, at(link)))
	}
	for _, row := range []struct {
		path string
		want []string
	}{
		{"plain/a.pem", []string{at("plain/a.pem")}},
		{"secret/a.pem", []string{at("secret/a.pem"), at("secret/..data"), at("secret/..v1/a.pem")}},
		{"plain/link.pem", []string{at("plain/link.pem"), at("elsewhere/a.pem")}},
		{"current/a.pem", []string{at("current"), at("elsewhere/a.pem")}},
		{"missing/a.pem", []string{at("missing")}},
		{"plain/missing.pem", []string{at("plain/missing.pem")}},
		{"plain/gone.pem", []string{at("plain/gone.pem"), at("gone")}},
		{"plain/escape.pm", []string{at("plain/escape.pm"), "/x-not-there"}},
	} {
		if got := chain(at(row.path)); !slices.Equal(got, row.want) {
			t.Errorf("chain(%s) = %q, want %q", row.path, got, row.want)
		}
	}
	if got := chain(at("loop")); len(got) > maxLinks+1 {
		t.Errorf("a loop of links gives %d entries", len(got))
	}
	t.Chdir(at("plain"))
	if got := chain("a.pem"); !slices.Equal(got, []string{at("plain/a.pem")}) {
		t.Errorf("chain of a relative path = %q", got)
	}
}
