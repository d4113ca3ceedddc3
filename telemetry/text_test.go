package telemetry

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzText holds the texts of a line to what encoding/json reads back.
func FuzzText(f *testing.F) {
	for _, s := range []string{"", "plain text of some length", "a\"quote", `back\slash`, "tab\there", "\x00\x1f\x7f",
		"é – 日本", "broken \xff\xc3 utf-8", "1234567\"", "\u2028"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > maxText {
			return
		}
		line := appendText(nil, b)
		if other := appendString(nil, string(b)); !bytes.Equal(line, other) {
			t.Fatalf("appendText %q, appendString %q", line, other)
		}
		var got string
		if err := json.Unmarshal(line, &got); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if want := string(bytes.ToValidUTF8(b, []byte("\ufffd"))); utf8.Valid(b) && got != want {
			t.Errorf("%q reads %q, want %q", line, got, want)
		}
		if bytes.ContainsAny(line, "\n\r") {
			t.Errorf("%q is more than one line", line)
		}
	})
}

func TestPlain(t *testing.T) {
	for c := range 256 {
		for at := range 20 {
			b := []byte(strings.Repeat("x", 20))
			b[at] = byte(c)
			if got, want := plain(b), plainSlow(b); got != want {
				t.Errorf("byte %#x at %d: plain %v, want %v", c, at, got, want)
			}
		}
	}
}

func TestLongTextIsCut(t *testing.T) {
	long := strings.Repeat("x", maxText+1)
	if n := len(appendString(nil, long)); n != maxText+2 {
		t.Errorf("%d bytes, want %d", n, maxText+2)
	}
}

func BenchmarkAppendText(b *testing.B) {
	agent := []byte("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, " +
		"like Gecko) Chrome/120.0.0.0 Safari/537.36")
	dst := make([]byte, 0, 256)
	b.ReportAllocs()
	for b.Loop() {
		dst = appendText(dst[:0], agent)
	}
}
