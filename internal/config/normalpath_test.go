package config

import (
	"bytes"
	"path"
	"strings"
	"testing"
)

func TestNormalPath(t *testing.T) {
	for _, tt := range []struct{ in, want string }{ // want "" is refused
		{"/", "/"}, {"*", "*"}, {"/a/b", "/a/b"}, {"/a/", "/a/"}, {"//", "//"}, {"/a//b", "/a//b"},
		{"/%41%7a%30%2D%2e%5F%7E", "/Az0-._~"}, {"/a%2Fb", "/a%2Fb"}, {"/a%2fb", "/a%2fb"}, {"/%25", "/%25"},
		{"/%2561", "/%2561"},
		{"/a\\b", "/a\\b"}, {"/a%5Cb", "/a%5Cb"}, {"/\xff", "/\xff"}, {"/%ff", "/%ff"}, {"/a%20b", "/a%20b"},
		{"/%00", "/%00"},
		{"/.", "/"}, {"/./", "/"}, {"/a/.", "/a/"}, {"/a/./b", "/a/b"}, {"/a/..", "/"}, {"/a/../", "/"},
		{"/a/b/../c", "/a/c"},
		{"/a/b/..", "/a/"}, {"/a//..", "/a/"}, {"/a//../b", "/a/b"}, {"//..", "/"}, {"/a/%2e%2E/b", "/b"},
		{"/a/.%2e", "/"},
		{"/...", "/..."}, {"/.a", "/.a"}, {"/a.", "/a."}, {"/..a", "/..a"}, {"/a..", "/a.."}, {"/a/..;/b", "/a/..;/b"},
		{"/..", ""}, {"/../a", ""}, {"/a/../..", ""}, {"/a/../../a", ""}, {"/./..", ""}, {"/%2e%2e", ""}, {"/..//", ""},
		{"/%", ""}, {"/%a", ""}, {"/%4", ""}, {"/%zz", ""}, {"/%4g", ""}, {"/a%/b", ""},
	} {
		got, _, ok := NormalPath([]byte(tt.in), nil)
		if string(got) != tt.want || ok != (tt.want != "") {
			t.Errorf("NormalPath(%q) = %q, %v, want %q", tt.in, got, ok, tt.want)
		}
	}
}

func FuzzNormalPath(f *testing.F) {
	for _, s := range []string{"/", "/a/../b", "/%2e%2E/x", "/a//b/./..", "/%41%zz", "/.a/..b/", "/a/%2f..%5c"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		in := append([]byte("/"), b...)
		before := bytes.Clone(in)
		got, _, ok := NormalPath(in, make([]byte, 0, 8))
		if !bytes.Equal(in, before) {
			t.Fatalf("NormalPath(%q) changed its input", before)
		}
		if !ok {
			return
		}
		out := string(got)
		if out[0] != '/' || len(out) > len(in) {
			t.Fatalf("NormalPath(%q) = %q", in, out)
		}
		if again, _, ok := NormalPath([]byte(out), nil); !ok || string(again) != out {
			t.Fatalf("NormalPath(%q) = %q, and that again %q, %v", in, out, again, ok)
		}
		for seg := range strings.SplitSeq(out, "/") {
			if seg == "." || seg == ".." {
				t.Fatalf("NormalPath(%q) = %q has a dot segment", in, out)
			}
		}
		// Where there is nothing of what path.Clean treats otherwise, the two agree.
		if s := string(in); !strings.Contains(s, "%") && !strings.Contains(s, "//") {
			if want := path.Clean(s); strings.TrimSuffix(out, "/") != strings.TrimSuffix(want, "/") &&
				!strings.Contains(out, "//") {
				t.Fatalf("NormalPath(%q) = %q, path.Clean says %q", s, out, want)
			}
		}
	})
}

func TestNormalPathDoesNotAllocate(t *testing.T) {
	scratch := make([]byte, 0, 64)
	in := []byte("/a/%62/../c//d")
	if n := testing.AllocsPerRun(100, func() { _, scratch, _ = NormalPath(in, scratch) }); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}
