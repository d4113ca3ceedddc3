package sidecar

import "testing"

func TestParseMapping(t *testing.T) {
	for _, tt := range []struct {
		line string
		want mapping
		ok   bool
	}{
		{"00400000-01b5f000 r-xp 00000000 fe:00 393441                             /usr/bin/gateway",
			mapping{0x400000, 0x1b5f000, false, "/usr/bin/gateway"}, true},
		{"02f00000-02f80000 rw-p 02b00000 fe:00 393441                             /usr/bin/gateway",
			mapping{0x2f00000, 0x2f80000, true, "/usr/bin/gateway"}, true},
		{"00400000-01b5f000 r-xp 00000000 fe:00 393441                             /usr/bin/gateway (deleted)",
			mapping{}, false},
		{"c000000000-c000400000 rw-p 00000000 00:00 0", mapping{}, false},
		{"Anonymous:             0 kB", mapping{}, false},
		{"VmFlags: rd ex mr mw me", mapping{}, false},
		{"VmFlags: rd ex mr mw", mapping{}, false},
		{"nothing r-xp 00000000 fe:00 393441 /usr/bin/gateway", mapping{}, false},
		{"12-zz r-xp 00000000 fe:00 393441 /usr/bin/gateway", mapping{0x12, 0, false, "/usr/bin/gateway"}, false},
	} {
		got, ok := parseMapping(tt.line)
		if ok != tt.ok || ok && got != tt.want {
			t.Errorf("parseMapping(%q) = %+v, %v; want %+v, %v", tt.line, got, ok, tt.want, tt.ok)
		}
	}
}
