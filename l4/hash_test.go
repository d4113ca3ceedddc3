package l4_test

import (
	"fmt"
	"testing"
)

// A client's address decides on its endpoint, also where a PROXY header tells it.
func TestHashBySource(t *testing.T) {
	g := start(t, fmt.Sprintf(`
listeners:
- {name: in, address: "127.0.0.1:0", protocol: tcp, cluster: out}
- {name: behind, address: "127.0.0.1:0", protocol: tcp, cluster: out, proxy_protocol: {from: [127.0.0.0/8]}}
clusters:
- {name: out, protocol: tcp, balance: hash, hash: {source_ip: true}, endpoints: [%q, %q, %q]}
`, backend(t, banner("a")), backend(t, banner("b")), backend(t, banner("c"))))
	banners := func(listener, header string) map[string]bool {
		seen := map[string]bool{}
		for range 6 {
			c := g.dial(listener)
			send(t, c, header)
			b := make([]byte, 1)
			if _, err := c.Read(b); err != nil {
				t.Fatal(err)
			}
			seen[string(b)] = true
			c.Close()
		}
		return seen
	}
	if seen := banners("in", ""); len(seen) != 1 {
		t.Errorf("one address goes to %v", seen)
	}
	all := map[string]bool{}
	for i := range 20 {
		seen := banners("behind", fmt.Sprintf("PROXY TCP4 192.0.2.%d 198.51.100.1 4000%d 443\r\n", i, i%10))
		if len(seen) != 1 {
			t.Errorf("address %d goes to %v", i, seen)
		}
		for b := range seen {
			all[b] = true
		}
	}
	if len(all) != 3 {
		t.Errorf("20 addresses go to %v", all)
	}
}
