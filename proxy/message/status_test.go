package message

import (
	"strconv"
	"testing"
)

func TestParseStatus(t *testing.T) {
	for n := range 1100 {
		text := strconv.Itoa(n)
		for _, zeros := range []string{"", "0", "00"} {
			in := zeros + text
			want := zeros == "" && n >= 100 && n <= 599
			got, ok := ParseStatus([]byte(in))
			if ok != want || ok && got != n {
				t.Errorf("ParseStatus(%q) = %d, %v; want %v", in, got, ok, want)
			}
		}
	}
	for _, in := range []string{"", " 200", "200 ", "2 0", "+20", "-20", "2x0", "20x", "x00", "2\x000", "\xb200", "/00",
		":00", "1/0", "1:0", "10/", "10:"} {
		if got, ok := ParseStatus([]byte(in)); ok {
			t.Errorf("ParseStatus(%q) = %d, want none", in, got)
		}
	}
}

func TestBodiless(t *testing.T) {
	for status, want := range map[int]bool{
		100: true, 101: true, 103: true, 199: true, 200: false, 203: false, 204: true, 205: false, 206: false,
		303: false,
		304: true, 305: false, 404: false, 599: false,
	} {
		if got := Bodiless(status); got != want {
			t.Errorf("Bodiless(%d) = %v", status, got)
		}
	}
}
