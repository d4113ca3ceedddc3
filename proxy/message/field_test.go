package message

import (
	"bytes"
	"strings"
	"testing"
)

func TestLookup(t *testing.T) {
	taken := map[uint8]string{}
	for id := Other + 1; id < idCount; id++ {
		name := id.Name()
		if name == "" || name != strings.ToLower(name) || !ValidToken([]byte(name)) {
			t.Errorf("ID %d is named %q, want a token in lower case", id, name)
			continue
		}
		if other, ok := taken[place([]byte(name))]; ok {
			t.Errorf("%q and %q share a place: other factors in place would part them", name, other)
		}
		taken[place([]byte(name))] = name
		for _, form := range []string{name, strings.ToUpper(name), strings.ToUpper(name[:1]) + name[1:]} {
			if got := Lookup([]byte(form)); got != id {
				t.Errorf("Lookup(%q) = %v, want %v", form, got, id)
			}
		}
		// One bit of difference anywhere, other than that of the case, makes it another name.
		for i := range name {
			for bit := range 8 {
				b := []byte(name)
				b[i] ^= 1 << bit
				if want := strings.EqualFold(string(b), name) && b[i] < 0x80; (Lookup(b) == id) != want {
					t.Errorf("Lookup(%q) = %v", b, Lookup(b))
				}
			}
		}
		for _, form := range []string{name[1:], name[:len(name)-1], name + "s", "x" + name, name + " ", " " + name} {
			if got := Lookup([]byte(form)); got == id {
				t.Errorf("Lookup(%q) = %v, want another", form, got)
			}
		}
	}
	for _, name := range []string{"", "x", "-", "accept-encoding", "x-forwarded-client-cert-chain",
		strings.Repeat("a", 1000), "\x00", "h\xefst"} {
		if got := Lookup([]byte(name)); got != Other {
			t.Errorf("Lookup(%q) = %v, want Other", name, got)
		}
	}
	if Other.Name() != "" {
		t.Errorf("Other is named %q", Other.Name())
	}
}

func TestIDsFitTheSet(t *testing.T) {
	if idCount > 64 {
		t.Fatalf("%d IDs do not fit a Set", idCount)
	}
	for id := range idCount {
		s := Of(id)
		for other := range idCount {
			if s.Has(other) != (id == other) {
				t.Errorf("Of(%d).Has(%d) = %v", id, other, s.Has(other))
			}
		}
	}
	if s := Of(Host, TE); !s.Has(Host) || !s.Has(TE) || s.Has(Cookie) || Of() != 0 {
		t.Error("Of puts other IDs in than it is given")
	}
}

func TestEqualFold(t *testing.T) {
	// Every byte against every byte that a lower-case name may hold: equal means the same, or the same letter.
	for a := range 256 {
		for b := range 256 {
			if b >= 'A' && b <= 'Z' {
				continue
			}
			want := a == b || a >= 'A' && a <= 'Z' && a+0x20 == b
			if got := EqualFold([]byte{byte(a)}, string([]byte{byte(b)})); got != want {
				t.Errorf("EqualFold(%q, %q) = %v, want %v", byte(a), byte(b), got, want)
			}
			both := want || b >= 'a' && b <= 'z' && b-0x20 == a
			if got := equalFoldBytes([]byte{byte(a)}, []byte{byte(b)}); got != both {
				t.Errorf("equalFoldBytes(%q, %q) = %v, want %v", byte(a), byte(b), got, both)
			}
		}
	}
	if EqualFold([]byte("a"), "ab") || EqualFold([]byte("ab"), "a") || !EqualFold(nil, "") ||
		equalFoldBytes([]byte("a"), nil) {
		t.Error("lengths do not count")
	}
}

func TestToken(t *testing.T) {
	// RFC 9110 section 5.6.2
	const tokens = "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	for c := range 256 {
		want := c < 0x80 && strings.IndexByte(tokens, byte(c)) >= 0
		if IsTokenByte(byte(c)) != want || ValidToken([]byte{'a', byte(c)}) != want ||
			ValidToken([]byte{byte(c), 'a'}) != want {
			t.Errorf("%q: want %v in a token", byte(c), want)
		}
	}
	if ValidToken(nil) {
		t.Error("nothing is a token")
	}
}

func TestValidLowerName(t *testing.T) {
	for c := range 256 {
		want := IsTokenByte(byte(c)) && (c < 'A' || c > 'Z')
		for _, name := range [][]byte{{byte(c)}, {'a', byte(c)}, {byte(c), '-'}} {
			if got := ValidLowerName(name); got != want {
				t.Errorf("ValidLowerName(%q) = %v, want %v", name, got, want)
			}
		}
	}
	if ValidLowerName(nil) {
		t.Error("nothing is a name")
	}
}

func TestPadded(t *testing.T) {
	for in, want := range map[string]bool{
		"": false, " ": true, "\t": true, "a": false, " a": true, "a ": true, "\ta": true, "a\t": true, "a b": false,
		"\u00a0a": false,
	} {
		if got := Padded([]byte(in)); got != want {
			t.Errorf("Padded(%q) = %v, want %v", in, got, want)
		}
	}
}

// valueEnd is ValueEnd, byte by byte.
func valueEnd(b []byte) int {
	i := bytes.IndexFunc(b, func(r rune) bool { return r < 0x20 && r != '\t' || r == 0x7f })
	if i < 0 {
		return len(b)
	}
	return i
}

func TestValueEnd(t *testing.T) {
	for length := range 20 {
		b := bytes.Repeat([]byte{'v'}, length)
		if ValueEnd(b) != length || !ValidValue(b) {
			t.Errorf("a value of %d letters: ValueEnd = %d", length, ValueEnd(b))
		}
		for at := range b {
			for c := range 256 {
				for _, around := range []byte{'v', ' ', '\t', 0x80, 0xff, 0x20, 0x7e} {
					for i := range b {
						b[i] = around
					}
					b[at] = byte(c)
					if want := valueEnd(b); ValueEnd(b) != want || ValidValue(b) != (want == length) {
						t.Fatalf("ValueEnd(%q) = %d, want %d", b, ValueEnd(b), want)
					}
				}
			}
		}
	}
}

func FuzzValueEnd(f *testing.F) {
	f.Add([]byte("text/html; charset=utf-8"))
	f.Add([]byte("\t \t"))
	f.Add([]byte("caf\xc3\xa9 \xff\x80\x7f"))
	f.Add([]byte("\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if got, want := ValueEnd(b), valueEnd(b); got != want {
			t.Fatalf("ValueEnd(%q) = %d, want %d", b, got, want)
		}
	})
}

func TestTrimSpace(t *testing.T) {
	for in, want := range map[string]string{
		"": "", " ": "", "\t \t": "", "a": "a", " a": "a", "a\t": "a", " \ta b\t ": "a b", "\va\v": "\va\v",
		"\ra\n": "\ra\n", "\u00a0": "\u00a0",
	} {
		if got := TrimSpace([]byte(in)); string(got) != want {
			t.Errorf("TrimSpace(%q) = %q, want %q", in, got, want)
		}
	}
}
