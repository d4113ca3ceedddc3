package telemetry

import (
	"bytes"
	"testing"
)

const (
	testTrace = "4bf92f3577b34da6a3ce929d0e0e4736"
	testSpan  = "00f067aa0ba902b7"
)

// said is a context as a text: trace, span, and what was decided.
func said(c TraceContext) string {
	sampling := "?"
	if c.decided {
		sampling = map[bool]string{false: "no", true: "yes"}[c.flags&flagSampled != 0]
	}
	t := Trace{context: c, span: c.span}
	return string(t.AppendTraceID(nil)) + " " + string(t.AppendSpanID(nil)) + " " + sampling
}

func TestParseTraceparent(t *testing.T) {
	const valid = testTrace + " " + testSpan
	for _, row := range []struct{ in, want string }{
		{"00-" + testTrace + "-" + testSpan + "-01", valid + " yes"},
		{"00-" + testTrace + "-" + testSpan + "-00", valid + " no"},
		{"00-" + testTrace + "-" + testSpan + "-ff", valid + " yes"},
		{"00-" + testTrace + "-" + testSpan + "-02", valid + " no"},
		{"cc-" + testTrace + "-" + testSpan + "-01", valid + " yes"},
		{"cc-" + testTrace + "-" + testSpan + "-01-later", valid + " yes"},
		{"cc-" + testTrace + "-" + testSpan + "-01later", ""},
		{"00-" + testTrace + "-" + testSpan + "-01-later", ""},
		{"00-" + testTrace + "-" + testSpan + "-01-", ""},
		{"ff-" + testTrace + "-" + testSpan + "-01", ""},
		{"0-" + testTrace + "-" + testSpan + "-01", ""},
		{"0g-" + testTrace + "-" + testSpan + "-01", ""},
		{"00-4BF92F3577B34DA6A3CE929D0E0E4736-" + testSpan + "-01", ""},
		{"00-" + testTrace + "-00F067AA0BA902B7-01", ""},
		{"00-" + testTrace + "-" + testSpan + "-0G", ""},
		{"00-" + testTrace + "-" + testSpan + "-1", ""},
		{"00-" + testTrace + "-" + testSpan, ""},
		{"00-" + testTrace + "_" + testSpan + "-01", ""},
		{"00_" + testTrace + "-" + testSpan + "-01", ""},
		{"00-" + testTrace + "-" + testSpan + "_01", ""},
		{"00-00000000000000000000000000000000-" + testSpan + "-01", ""},
		{"00-" + testTrace + "-0000000000000000-01", ""},
		{"", ""},
		{" 00-" + testTrace + "-" + testSpan + "-01", ""},
	} {
		c, ok := ParseTraceparent([]byte(row.in))
		if ok != (row.want != "") || ok && (said(c) != row.want || !c.KeepsState()) || !ok && c != (TraceContext{}) {
			t.Errorf("ParseTraceparent(%q) = %s, %v, want %q", row.in, said(c), ok, row.want)
		}
	}
}

func TestParseB3(t *testing.T) {
	const ids, valid = testTrace + "-" + testSpan, testTrace + " " + testSpan
	for _, row := range []struct{ in, want string }{
		{ids, valid + " ?"},
		{ids + "-1", valid + " yes"},
		{ids + "-d", valid + " yes"},
		{ids + "-0", valid + " no"},
		{ids + "-1-05e3ac9a4f6e3b90", valid + " yes"},
		{"a3ce929d0e0e4736-" + testSpan + "-1", "0000000000000000a3ce929d0e0e4736 " + testSpan + " yes"},
		{"0", "00000000000000000000000000000000 0000000000000000 no"},
		{"1", "00000000000000000000000000000000 0000000000000000 yes"},
		{"d", "00000000000000000000000000000000 0000000000000000 yes"},
		{"2", ""},
		{"", ""},
		{"-", ""},
		{ids + "-", ""},
		{ids + "-2", ""},
		{ids + "-11", ""},
		{ids + "-1-", ""},
		{ids + "-1-05e3ac9a4f6e3b9", ""},
		{ids + "-1-05e3ac9a4f6e3b9g", ""},
		{ids + "-1-05e3ac9a4f6e3b90-1", ""},
		{testTrace, ""},
		{testTrace + "-", ""},
		{testTrace + "-1", ""},
		{"4BF92F3577B34DA6A3CE929D0E0E4736-" + testSpan, ""},
		{"00000000000000000000000000000000-" + testSpan, ""},
		{testTrace + "-0000000000000000", ""},
	} {
		c, ok := ParseB3([]byte(row.in))
		if ok != (row.want != "") || ok && said(c) != row.want || !ok && c != (TraceContext{}) || c.KeepsState() {
			t.Errorf("ParseB3(%q) = %s, %v, want %q", row.in, said(c), ok, row.want)
		}
	}
}

func TestParseB3Multi(t *testing.T) {
	const valid = testTrace + " " + testSpan
	const none = "00000000000000000000000000000000 0000000000000000"
	for _, row := range []struct{ trace, span, sampled, flags, want string }{
		{testTrace, testSpan, "1", "", valid + " yes"},
		{testTrace, testSpan, "true", "", valid + " yes"},
		{testTrace, testSpan, "0", "", valid + " no"},
		{testTrace, testSpan, "false", "", valid + " no"},
		{testTrace, testSpan, "", "", valid + " ?"},
		{testTrace, testSpan, "", "1", valid + " yes"},
		{testTrace, testSpan, "0", "1", valid + " yes"},
		{testTrace, testSpan, "1", "0", valid + " yes"},
		{"", "", "0", "", none + " no"},
		{"", "", "1", "", none + " yes"},
		{"", "", "", "1", none + " yes"},
		{"", "", "", "", ""},
		{testTrace, "", "1", "", ""},
		{"", testSpan, "1", "", ""},
		{testTrace, testSpan, "yes", "", ""},
		{testTrace + "0", testSpan, "1", "", ""},
	} {
		c, ok := ParseB3Multi(field(row.trace), field(row.span), field(row.sampled), field(row.flags))
		if ok != (row.want != "") || ok && said(c) != row.want || !ok && c != (TraceContext{}) {
			t.Errorf("ParseB3Multi(%q) = %s, %v, want %q", row, said(c), ok, row.want)
		}
	}
}

// field is a field's value; the empty one is not there.
func field(s string) []byte {
	if s == "" {
		return nil
	}
	return []byte(s)
}

// Whatever comes is read without a panic, and what is valid is written as it was read.
func FuzzTraceContext(f *testing.F) {
	f.Add([]byte("00-"+testTrace+"-"+testSpan+"-01"), []byte("1"))
	f.Add([]byte(testTrace+"-"+testSpan+"-d-05e3ac9a4f6e3b90"), []byte("true"))
	f.Fuzz(func(t *testing.T, in, second []byte) {
		if c, ok := ParseTraceparent(in); ok {
			out := appendTraceparent(nil, c.trace, c.span, c.flags)
			if again, ok := ParseTraceparent(out); !ok || again != c || !bytes.Equal(out[3:52], in[3:52]) {
				t.Errorf("%q was written as %q", in, out)
			}
		} else if c != (TraceContext{}) {
			t.Errorf("something was taken from %q", in)
		}
		if c, ok := ParseB3(in); ok && c.trace != (traceID{}) {
			out := appendB3(nil, c.trace, c.span, c.flags)
			again, ok := ParseB3(out)
			if c.decided = true; !ok || again != c {
				t.Errorf("%q was written as %q", in, out)
			}
		} else if !ok && c != (TraceContext{}) {
			t.Errorf("something was taken from %q", in)
		}
		if c, ok := ParseB3Multi(in, second, second, second); ok && (c.trace == traceID{}) != (c.span == spanID{}) {
			t.Errorf("half an id was taken from %q, %q", in, second)
		}
	})
}
