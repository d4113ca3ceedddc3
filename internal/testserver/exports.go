package testserver

import (
	"bytes"
	"encoding/json"
	"os"
	"testing"
)

// exports reads a file that the Collector writes: one export a line, oldest first.
func exports[T any](t testing.TB, file string) (all []T) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	// What follows the last line end is still being written.
	for line := range bytes.Lines(text[:bytes.LastIndexByte(text, '\n')+1]) {
		var export T
		if err := json.Unmarshal(line, &export); err != nil {
			t.Fatalf("collector: %v in line %s", err, line)
		}
		all = append(all, export)
	}
	return all
}
