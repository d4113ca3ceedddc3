package l4

import "testing"

func TestRoutesFind(t *testing.T) {
	var r routes
	names := map[*upstream]string{nil: "none"}
	for _, host := range []string{"db.example.com", "*.example.com", "*.eu.example.com"} {
		u := &upstream{}
		names[u] = host
		r.add(host, u)
	}
	check := func(name, want string) {
		t.Helper()
		if got := names[r.find(name)]; got != want {
			t.Errorf("find(%q) = %s, want %s", name, got, want)
		}
	}
	check("db.example.com", "db.example.com")
	check("other.example.com", "*.example.com")
	check("a.b.example.com", "*.example.com")
	check("a.eu.example.com", "*.eu.example.com")
	check("a..example.com", "*.example.com") // an empty label is a label, as for HTTP hosts
	check("example.com", "none")
	check(".example.com", "none")
	check("example.org", "none")
	check("", "none")

	other := &upstream{}
	names[other] = "*"
	r.add("*", other)
	check("", "*")
	check("example.com", "*")
	check("other.example.com", "*.example.com")
}
