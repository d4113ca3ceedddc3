package healthcheck

import (
	"encoding/binary"
	"testing"
)

func TestHealthRequest(t *testing.T) {
	for service, want := range map[string]string{"": "\x00\x00\x00\x00\x00", "a.B": "\x00\x00\x00\x00\x05\x0a\x03a.B"} {
		if got := healthRequest(service); string(got) != want {
			t.Errorf("healthRequest(%q) = %q, want %q", service, got, want)
		}
	}
}

// FuzzHealthStatus: whatever comes, the answer is a status or an error, never a panic; and what is well-formed with a
// status last, has it.
func FuzzHealthStatus(f *testing.F) {
	for _, s := range []string{
		"", "\x00\x00\x00\x00\x00", "\x00\x00\x00\x00\x02\x08\x01", "\x01\x00\x00\x00\x02\x08\x01",
		"\x00\x00\x00\x00\x03\x08\x01",
		"\x00\x00\x00\x00\x03\x08\xff\x01", "\x00\x00\x00\x00\x01\x08", "\x00\x00\x00\x00\x05\x12\x03abc",
		"\x00\x00\x00\x00\x05\x12\x04abc",
		"\x00\x00\x00\x00\x0a\x11........\x08", "\x00\x00\x00\x00\x05\x1d....", "\x00\x00\x00\x00\x02\x0b\x01",
		"\x00\x00\x00\x00\x02\x00\x01",
		"\x00\x00\x00\x00\x0b\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "\x00\x00\x00\x00\x04\x08\x01\x08\x02",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := healthStatus(b); err != nil {
			return
		}
		more := append(append([]byte(nil), b...), 0x08, 0x2a) // the last one counts
		binary.BigEndian.PutUint32(more[1:], uint32(len(more)-grpcPrefix))
		if status, err := healthStatus(more); err != nil || status != 42 {
			t.Errorf("healthStatus(%q) = %d, %v, want 42", more, status, err)
		}
	})
}
