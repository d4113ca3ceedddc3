package logfield_test

import (
	"testing"

	"github.com/fabian4/gateway-homebrew-go/internal/logfield"
)

func TestEachFieldHasItsOwnName(t *testing.T) {
	all := logfield.Names()
	if len(all) != int(logfield.Count) {
		t.Errorf("%d names for %d fields", len(all), logfield.Count)
	}
	for f := range logfield.Count {
		name := all[f]
		if got, ok := logfield.Named(name); name == "" || got != f || !ok {
			t.Errorf("field %d is called %q, which is field %d (%v)", f, name, got, ok)
		}
	}
	if _, ok := logfield.Named("nope"); ok {
		t.Error("there is a field nope")
	}
}
