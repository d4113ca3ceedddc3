package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

// addDocuments gives f the documents of testdata to begin with.
func addDocuments(f *testing.F) {
	f.Helper()
	files, err := filepath.Glob("testdata/*.*.*")
	if err != nil || len(files) == 0 {
		f.Fatal(files, err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
}

// FuzzDecode holds the promises for any text. There is no panic, every problem is inside the text, and a document that
// is written and read again is the same revision.
func FuzzDecode(f *testing.F) {
	addDocuments(f)
	base := bootstrap()
	f.Fuzz(func(t *testing.T, data []byte) {
		doc, err := Decode(data, base)
		if err != nil {
			var problems Problems
			if !errors.As(err, &problems) || len(problems) == 0 {
				t.Fatalf("error is %T: %v", err, err)
			}
			checkPlaces(t, data, problems)
			return
		}
		same(t, doc, base)
	})
}

func checkPlaces(t *testing.T, data []byte, problems Problems) {
	t.Helper()
	lines := strings.Split(string(data), "\n")
	line, column := 1, 1
	for _, p := range problems {
		if p.Line < 1 || p.Line > len(lines) || p.Column < 1 || p.Column > utf8.RuneCountInString(lines[p.Line-1])+1 {
			t.Errorf("%s is not inside the text", p)
		}
		if p.Line < line || p.Line == line && p.Column < column {
			t.Errorf("%s comes after %d:%d", p, line, column)
		}
		if p.Text == "" || p.Path == "" || !utf8.ValidString(p.String()) ||
			strings.ContainsAny(p.String(), "\n\x00\x1b") {
			t.Errorf("%q is not a line of text", p)
		}
		line, column = p.Line, p.Column
	}
}
