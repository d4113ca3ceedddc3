package namedfile

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestTheLastGoodContentStaysInUse(t *testing.T) {
	folder := t.TempDir()
	one, two := filepath.Join(folder, "one"), filepath.Join(folder, "two")
	write := func(path, text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	parsed := 0
	parse := func(files [][]byte) (string, error) {
		parsed++
		text := string(files[0]) + "+" + string(files[1])
		if strings.Contains(text, "bad") {
			return "never used", errors.New(text)
		}
		return text, nil
	}
	write(one, "a")
	write(two, "b")
	var l LastGood[string]
	start := time.Unix(1000, 0)
	for i, row := range []struct {
		do      func()
		change  Change
		content string
		err     string // a part of it
		since   int    // the row in which it began
		parsed  int
	}{
		0:  {func() {}, Replaced, "a+b", "", 0, 1},
		1:  {func() {}, Same, "a+b", "", 0, 1},
		2:  {func() { write(one, "bad") }, Broke, "a+b", "bad+b", 2, 2},
		3:  {func() {}, Same, "a+b", "bad+b", 2, 3},
		4:  {func() { write(two, "bad") }, Broke, "a+b", "bad+bad", 4, 4},
		5:  {func() { write(one, "a"); write(two, "b") }, Mended, "a+b", "", 0, 4},
		6:  {func() { os.Remove(two) }, Broke, "a+b", two + ": ", 6, 4},
		7:  {func() {}, Same, "a+b", two + ": ", 6, 4},
		8:  {func() { write(two, strings.Repeat("x", 101)) }, Broke, "a+b", "larger than 100 bytes", 8, 4},
		9:  {func() { write(one, "ab"); write(two, "") }, Replaced, "ab+", "", 9, 5},
		10: {func() { write(one, "a"); write(two, "b") }, Replaced, "a+b", "", 10, 6},
		// The same bytes, divided in another way.
		11: {func() { write(one, ""); write(two, "ab") }, Replaced, "+ab", "", 11, 7},
		12: {func() { write(one, "ab"); write(two, "") }, Replaced, "ab+", "", 12, 8},
	} {
		row.do()
		now := start.Add(time.Duration(i) * time.Second)
		if got := l.Refresh(now, 100, []string{one, two}, parse); got != row.change {
			t.Errorf("row %d: change %d, want %d", i, got, row.change)
		}
		if l.Content() != row.content {
			t.Errorf("row %d: content %q, want %q", i, l.Content(), row.content)
		}
		if err := l.Err(); (err != nil) != (row.err != "") || err != nil && !strings.Contains(err.Error(), row.err) {
			t.Errorf("row %d: error %v, want %q", i, err, row.err)
		}
		if want := start.Add(time.Duration(row.since) * time.Second); !l.Since().Equal(want) {
			t.Errorf("row %d: since %v, want %v", i, l.Since(), want)
		}
		if parsed != row.parsed {
			t.Errorf("row %d: parsed %d times, want %d", i, parsed, row.parsed)
		}
	}
}

// A first reading that fails has nothing in use, and a file that is empty is a content.
func TestTheFirstReading(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	var l LastGood[*int]
	parse := func([][]byte) (*int, error) { return new(int), nil }
	read := func() Change { return l.Refresh(time.Unix(1, 0), 10, []string{path}, parse) }
	if got := read(); got != Broke || l.Content() != nil || !errors.Is(l.Err(), os.ErrNotExist) {
		t.Errorf("change %d, content %v, error %v", got, l.Content(), l.Err())
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := read(); got != Replaced || l.Content() == nil || l.Err() != nil {
		t.Errorf("change %d, content %v, error %v", got, l.Content(), l.Err())
	}
	if got := read(); got != Same {
		t.Errorf("change %d", got)
	}
}

// Files that are replaced while they are read are no broken ones, unless that never ends.
func TestFilesReplacedWhileTheyAreRead(t *testing.T) {
	folder := t.TempDir()
	cert, key := filepath.Join(folder, "cert"), filepath.Join(folder, "key")
	for _, row := range []struct {
		name    string
		swaps   int // how often the files are replaced right after they were read
		change  Change
		content string
		parsed  int
	}{
		{"not at all", 0, Replaced, "0+0", 1},
		{"once", 1, Replaced, "1+1", 2},
		{"twice", 2, Replaced, "2+2", 3},
		{"again and again", 9, Broke, "", maxReadings},
	} {
		version, parsed := 0, 0
		write := func(path string) {
			t.Helper()
			if err := os.WriteFile(path, []byte(strconv.Itoa(version)), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		write(cert)
		write(key)
		var l LastGood[string]
		got := l.Refresh(time.Unix(1000, 0), 100, []string{cert, key}, func(files [][]byte) (string, error) {
			text := string(files[0]) + "+" + string(files[1])
			if parsed++; parsed <= row.swaps {
				version++
				write(cert)
				write(key)
				return "", errors.New("the key does not belong to the certificate")
			}
			return text, nil
		})
		if got != row.change || l.Content() != row.content || parsed != row.parsed {
			t.Errorf("replaced %s: change %d, content %q, parsed %d times; want %d, %q, %d",
				row.name, got, l.Content(), parsed, row.change, row.content, row.parsed)
		}
	}
}
