package message

import "testing"

func TestValidTarget(t *testing.T) {
	for c := range 256 {
		want := c > ' ' && c != 0x7f && c != '#'
		for _, in := range []string{string([]byte{byte(c)}), "/" + string([]byte{byte(c)}),
			"/a" + string([]byte{byte(c)}) + "b"} {
			if got := ValidTarget([]byte(in)); got != want {
				t.Errorf("ValidTarget(%q) = %v, want %v", in, got, want)
			}
		}
	}
	if ValidTarget(nil) {
		t.Error("nothing is a target")
	}
}

func TestSplitTarget(t *testing.T) {
	for _, row := range []struct {
		method, target string
		path, query    string // "-" is a query that is not there
		ok             bool
	}{
		{"GET", "/", "/", "-", true},
		{"GET", "/a/b", "/a/b", "-", true},
		{"GET", "/a?", "/a", "", true},
		{"GET", "/a?x=1", "/a", "x=1", true},
		{"GET", "/a?x?y", "/a", "x?y", true},
		{"GET", "//a", "//a", "-", true},
		{"OPTIONS", "*", "*", "-", true},
		{"OPTIONS", "/", "/", "-", true},
		{"GET", "*", "", "-", false},
		{"options", "*", "", "-", false},
		{"OPTIONS", "*a", "", "-", false},
		{"OPTIONS", "*?x", "", "-", false},
		{"GET", "a", "", "-", false},
		{"GET", "?x", "", "-", false},
		{"GET", "http://a/", "", "-", false},
	} {
		h := Head{Method: []byte(row.method), Target: []byte(row.target)}
		ok := h.SplitTarget()
		query := string(h.Query)
		if h.Query == nil {
			query = "-"
		}
		if ok != row.ok || string(h.Path) != row.path || query != row.query {
			t.Errorf("%s %q: path %q, query %q, %v; want %q, %q, %v", row.method, row.target, h.Path, query, ok,
				row.path, row.query, row.ok)
		}
	}
}
