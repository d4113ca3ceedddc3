package message

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// headOf makes a head of lines, each of which may end in CRLF only or have space around its value.
func headOf(t testing.TB, lines ...string) *Head {
	t.Helper()
	h := &Head{Buf: []byte("GET / HTTP/1.1\r\n"), ContentLength: -1}
	for _, line := range lines {
		start := len(h.Buf)
		h.Buf = append(h.Buf, line+"\r\n"...)
		name, rest, ok := strings.Cut(line, ":")
		if !ok {
			t.Fatalf("line %q has no colon", line)
		}
		value := strings.TrimLeft(rest, " \t")
		from := start + len(name) + 1 + len(rest) - len(value)
		h.Add(start, start+len(name), from, from+len(strings.TrimRight(value, " \t")), len(h.Buf))
	}
	return h
}

func TestAdd(t *testing.T) {
	h := headOf(t, "Host: a", "X-One:1", "x-one:  two \t", "COOKIE: c=1", "Cookie:", "Set-Cookie: \t")
	type field struct {
		id          ID
		name, value string
	}
	want := []field{{Host, "Host", "a"}, {Other, "X-One", "1"}, {Other, "x-one", "two"}, {Cookie, "COOKIE", "c=1"},
		{Cookie, "Cookie", ""}, {SetCookie, "Set-Cookie", ""}}
	var got []field
	for i := range h.Fields {
		f := &h.Fields[i]
		got = append(got, field{f.ID, string(h.Name(f)), string(h.Value(f))})
	}
	if !slices.Equal(got, want) {
		t.Errorf("fields %q, want %q", got, want)
	}
	if h.Present != Of(Host, Other, Cookie, SetCookie) {
		t.Errorf("Present = %b", h.Present)
	}
	if v := h.Get(Cookie); string(v) != "c=1" {
		t.Errorf("Get(Cookie) = %q, want the first", v)
	}
	if v := h.Get(SetCookie); v == nil || len(v) != 0 {
		t.Errorf("Get of an empty field = %v, want empty, not nil", v)
	}
	if v := h.Get(Date); v != nil {
		t.Errorf("Get of no field = %q, want nil", v)
	}
	if n := h.Count(Cookie); n != 2 {
		t.Errorf("Count(Cookie) = %d, want 2", n)
	}
	if n := h.Count(Date); n != 0 {
		t.Errorf("Count(Date) = %d, want 0", n)
	}
	if v, ok := h.Find("x-one"); !ok || string(v) != "1" {
		t.Errorf("Find = %q, %v; want the first", v, ok)
	}
	if v, ok := h.Find("x-two"); ok {
		t.Errorf("Find of no field = %q", v)
	}
	h.Reset()
	if h.Buf != nil || len(h.Fields) != 0 || cap(h.Fields) < 6 || h.Present != 0 || h.ContentLength != -1 ||
		h.Get(Host) != nil {
		t.Errorf("after Reset: %+v", h)
	}
}

func TestAppend(t *testing.T) {
	var h Head
	h.Reset()
	h.Append([]byte("grpc-status"), []byte("0"))
	h.Append([]byte("x-empty"), nil)
	h.Append([]byte("te"), []byte("trailers"))
	const want = "grpc-status: 0\r\nx-empty: \r\nte: trailers\r\n"
	if string(h.Buf) != want {
		t.Errorf("Buf = %q, want %q", h.Buf, want)
	}
	if got := h.AppendFields(nil, 0); string(got) != want {
		t.Errorf("AppendFields = %q, want %q", got, want)
	}
	if v := h.Get(TE); string(v) != "trailers" || h.Get(GRPCStatus) == nil {
		t.Errorf("Get(TE) = %q", v)
	}
}

// TestAppendFields drops every combination of the lines and compares with the plain way.
func TestAppendFields(t *testing.T) {
	lines := []string{"Host: a", "X-A:  1  ", "Cookie: x", "Date:\ty", "Via: 1.1 me", "Server: z"}
	ids := []ID{Host, Other, Cookie, Date, Other, Server}
	for mask := range 1 << len(lines) {
		h := headOf(t, lines...)
		var drop Set
		want := "before|"
		for i, line := range lines {
			switch {
			case mask&(1<<i) == 0:
				want += line + "\r\n"
			case ids[i] == Other || i == 3:
				h.Fields[i].Hop = true // the one way of being dropped,
			default:
				drop |= Of(ids[i]) // and the other
			}
		}
		if got := h.AppendFields([]byte("before|"), drop); string(got) != want {
			t.Errorf("dropping %06b: %q, want %q", mask, got, want)
		}
	}
	if got := new(Head).AppendFields(nil, 0); len(got) != 0 {
		t.Errorf("no fields: %q", got)
	}
}

func TestEachElement(t *testing.T) {
	for in, want := range map[string]string{
		"": "[]", ",": "[]", " , \t,": "[]", "a": `["a"]`, "a,b": `["a" "b"]`, " a ,\tb\t, c": `["a" "b" "c"]`,
		",a,,b,": `["a" "b"]`,
		"a b":    `["a b"]`, "gzip;q=1, *": `["gzip;q=1" "*"]`, "\v,a": `["\v" "a"]`,
	} {
		got := []string{}
		if !EachElement([]byte(in), func(e []byte) bool { got = append(got, string(e)); return true }) {
			t.Errorf("EachElement(%q) = false", in)
		}
		if fmt.Sprintf("%q", got) != want {
			t.Errorf("EachElement(%q): %q, want %s", in, got, want)
		}
	}
	calls := 0
	if EachElement([]byte("a, stop, b"), func(e []byte) bool { calls++; return string(e) != "stop" }) || calls != 2 {
		t.Errorf("after the refusal of the second it went on to %d", calls)
	}
}

func TestHasElement(t *testing.T) {
	h := headOf(t, "Connection: Keep-Alive", "TE: gzip, Trailers ;q=1", "Connection: x,  CLOSE ", "X-Close: close")
	for _, row := range []struct {
		id    ID
		lower string
		want  bool
	}{
		{Connection, "keep-alive", true}, {Connection, "close", true}, {Connection, "x", true},
		{Connection, "upgrade", false},
		{Connection, "clos", false}, {TE, "gzip", true}, {TE, "trailers", false}, {Upgrade, "close", false},
		{Other, "close", true},
	} {
		if got := h.HasElement(row.id, row.lower); got != row.want {
			t.Errorf("HasElement(%v, %q) = %v, want %v", row.id.Name(), row.lower, got, row.want)
		}
	}
}

func TestVersion(t *testing.T) {
	for v, want := range map[Version]string{HTTP10: "HTTP/1.0", HTTP11: "HTTP/1.1", HTTP2: "HTTP/2.0"} {
		if v.String() != want {
			t.Errorf("%d is %q, want %q", v, v, want)
		}
	}
}

func TestNoAllocations(t *testing.T) {
	lines := []string{"Host: a", "Connection: keep-alive, x-a", "X-A: 1", "Cookie: abc", "TE: trailers", "X-B: 2"}
	h := headOf(t, lines...)
	fields := slices.Clone(h.Fields)
	buf, out := h.Buf, make([]byte, 0, 1024)
	name, value := []byte("x-request-id"), []byte("some value of some length\x80")
	own := make([]byte, 0, 64)
	step := func() {
		h.Reset()
		h.Buf = buf
		for i := range fields {
			f := &fields[i]
			h.Add(int(f.start), int(f.nameEnd), int(f.valueStart), int(f.valueEnd), int(f.end))
		}
		if !h.MarkHop() || !h.HasElement(Connection, "keep-alive") || Lookup(name) != XRequestID ||
			!ValidValue(value) || h.Get(Cookie) == nil {
			t.Fatal("wrong answer")
		}
		out = h.AppendFields(out[:0], Of(TE))
		h.Buf = own[:0]
		h.Append(name, value)
	}
	if n := testing.AllocsPerRun(100, step); n != 0 {
		t.Errorf("allocates %v times, want 0", n)
	}
}
