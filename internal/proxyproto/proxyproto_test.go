package proxyproto_test

import (
	"bytes"
	"errors"
	"io"
	"net/netip"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/fabian4/gateway-homebrew-go/internal/proxyproto"
)

const sig = "\r\n\r\n\x00\r\nQUIT\n"

// v2 makes a header of version 2: command, family, then what the length counts.
func v2(command, family byte, rest string) string {
	return sig + string([]byte{command, family, byte(len(rest) >> 8), byte(len(rest))}) + rest
}

func TestRead(t *testing.T) {
	four := "\x0a\x00\x00\x01\xc0\x00\x02\x02\x12\x34\x01\xbb"
	six := strings.Repeat("\x20\x01", 8) + strings.Repeat("\xfe\x80", 8) + "\x12\x34\x01\xbb"
	for _, row := range []struct {
		name, in, source, destination, bad string
	}{
		{name: "v1 tcp4", in: "PROXY TCP4 10.0.0.1 192.0.2.2 4660 443\r\n", source: "10.0.0.1:4660",
			destination: "192.0.2.2:443"},
		{name: "v1 tcp6", in: "PROXY TCP6 2001:db8::1 2001:db8::2 4660 443\r\n", source: "[2001:db8::1]:4660",
			destination: "[2001:db8::2]:443"},
		{name: "v1 mapped", in: "PROXY TCP6 ::ffff:10.0.0.1 ::ffff:192.0.2.2 4660 443\r\n", source: "10.0.0.1:4660",
			destination: "192.0.2.2:443"},
		{name: "v1 unknown", in: "PROXY UNKNOWN\r\n"},
		{name: "v1 unknown with addresses", in: "PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n"},
		{name: "v2 tcp4", in: v2(0x21, 0x11, four), source: "10.0.0.1:4660", destination: "192.0.2.2:443"},
		{name: "v2 tcp6", in: v2(0x21, 0x21, six), source: "[2001:2001:2001:2001:2001:2001:2001:2001]:4660",
			destination: "[fe80:fe80:fe80:fe80:fe80:fe80:fe80:fe80]:443"},
		{name: "v2 with tlv", in: v2(0x21, 0x11, four+"\x01\x00\x02h2"), source: "10.0.0.1:4660",
			destination: "192.0.2.2:443"},
		{name: "v2 local", in: v2(0x20, 0x00, "")},
		{name: "v2 local with addresses", in: v2(0x20, 0x11, four)},
		{name: "v2 unix", in: v2(0x21, 0x31, strings.Repeat("\x00", 216))},

		{name: "nothing", in: "", bad: "closed without"},
		{name: "http", in: "GET / HTTP/1.1\r\n", bad: "no PROXY header"},
		{name: "tls", in: "\x16\x03\x01\x00\xf8\x01\x00\x00\xf4\x03\x03abc", bad: "no PROXY header"},
		{name: "short", in: "PROXY", bad: "unexpected EOF"},
		{name: "v1 cut", in: "PROXY TCP4 10.0.0.1 192", bad: "unexpected EOF"},
		{name: "v1 without an end", in: "PROXY TCP4 " + strings.Repeat("1", 200), bad: "has no end"},
		{name: "v1 bare LF", in: "PROXY TCP4 10.0.0.1 192.0.2.2 4660 443\n", bad: "\\r\\n"},
		{name: "v1 two spaces", in: "PROXY TCP4  10.0.0.1 192.0.2.2 4660 443\r\n", bad: "PROXY header"},
		{name: "v1 leading zero", in: "PROXY TCP4 10.0.0.1 192.0.2.2 04660 443\r\n", bad: "port"},
		{name: "v1 wrong family", in: "PROXY TCP4 2001:db8::1 192.0.2.2 4660 443\r\n", bad: "address"},
		{name: "v1 lower case", in: "proxy tcp4 10.0.0.1 192.0.2.2 4660 443\r\n", bad: "no PROXY header"},
		{name: "v2 cut", in: v2(0x21, 0x11, four)[:20], bad: "unexpected EOF"},
		{name: "v2 too short for its family", in: v2(0x21, 0x11, four[:11]), bad: "length"},
		{name: "v2 wrong version", in: v2(0x31, 0x11, four), bad: "version"},
		{name: "v2 too long", in: sig + "\x21\x11\x10\x01", bad: "too long (4113 bytes)"},
		{name: "v2 udp", in: v2(0x21, 0x12, four), bad: "not of a stream"},
		{name: "v2 no such transport", in: v2(0x21, 0x13, four), bad: "family"},
		{name: "v2 proxy of nobody", in: v2(0x21, 0x00, ""), bad: "family"},
	} {
		t.Run(row.name, func(t *testing.T) {
			const behind = "\x16\x03\x01 what follows is not ours"
			for _, r := range []io.Reader{strings.NewReader(row.in + behind),
				iotest.OneByteReader(strings.NewReader(row.in + behind))} {
				if row.bad != "" {
					r = strings.NewReader(row.in)
				}
				h, err := proxyproto.Read(r)
				if row.bad != "" {
					if err == nil || !strings.Contains(err.Error(), row.bad) {
						t.Fatalf("error %v, want %q", err, row.bad)
					}
					continue
				}
				if err != nil {
					t.Fatal(err)
				}
				if rest, _ := io.ReadAll(r); string(rest) != behind {
					t.Errorf("left in the connection: %q", rest)
				}
				if row.source == "" {
					if h.Known() {
						t.Errorf("knows %v", h)
					}
					continue
				}
				if h.Source.String() != row.source || h.Destination.String() != row.destination {
					t.Errorf("%v to %v, want %s to %s", h.Source, h.Destination, row.source, row.destination)
				}
			}
		})
	}
}

func TestReadNothing(t *testing.T) {
	if _, err := proxyproto.Read(strings.NewReader("")); !errors.Is(err, proxyproto.ErrNone) {
		t.Errorf("error %v", err)
	}
}

func TestAppend(t *testing.T) {
	for _, row := range []struct{ version, source, destination, want string }{
		{"v1", "10.0.0.1:4660", "192.0.2.2:443", "PROXY TCP4 10.0.0.1 192.0.2.2 4660 443\r\n"},
		{"v1", "[2001:db8::1]:1", "192.0.2.2:443", "PROXY TCP6 2001:db8::1 ::ffff:192.0.2.2 1 443\r\n"},
		{"v1", "[fe80::1%eth0]:1", "[fe80::2%eth0]:2", "PROXY TCP6 fe80::1 fe80::2 1 2\r\n"},
		{"v1", "[::ffff:10.0.0.1]:4660", "192.0.2.2:443", "PROXY TCP4 10.0.0.1 192.0.2.2 4660 443\r\n"},
		{"v1", "", "", "PROXY UNKNOWN\r\n"},
		{"v2", "10.0.0.1:4660", "192.0.2.2:443", v2(0x21, 0x11, "\x0a\x00\x00\x01\xc0\x00\x02\x02\x12\x34\x01\xbb")},
		{"v2", "", "", v2(0x20, 0x00, "")},
	} {
		var h proxyproto.Header
		if row.source != "" {
			h = proxyproto.Header{Source: netip.MustParseAddrPort(row.source),
				Destination: netip.MustParseAddrPort(row.destination)}
		}
		if got := string(proxyproto.Append([]byte("x"), row.version, h)); got != "x"+row.want {
			t.Errorf("%s %v: %q, want %q", row.version, h, got, row.want)
		}
	}
}

// FuzzRead holds that a header that is read is read to its end and no further, and means the same when it is written
// again.
func FuzzRead(f *testing.F) {
	f.Add([]byte("PROXY TCP4 10.0.0.1 192.0.2.2 4660 443\r\nbehind"))
	f.Add([]byte("PROXY TCP6 2001:db8::1 2001:db8::2 4660 443\r\n"))
	f.Add([]byte("PROXY UNKNOWN\r\n"))
	f.Add([]byte(v2(0x21, 0x11, "\x0a\x00\x00\x01\xc0\x00\x02\x02\x12\x34\x01\xbb\x01\x00\x02h2")))
	f.Add([]byte(v2(0x20, 0x00, "")))
	f.Add([]byte(v2(0x21, 0x21, strings.Repeat("\x20\x01", 16)+"\x12\x34\x01\xbb")))
	f.Fuzz(func(t *testing.T, data []byte) {
		r := bytes.NewReader(data)
		h, err := proxyproto.Read(r)
		used := len(data) - r.Len()
		if used > proxyproto.MaxBytes {
			t.Fatalf("read %d bytes", used)
		}
		if err != nil {
			return
		}
		if again, err := proxyproto.Read(bytes.NewReader(data[:used])); err != nil || again != h {
			t.Fatalf("the header alone is %v (%v), was %v", again, err, h)
		}
		if !h.Known() {
			return
		}
		for _, version := range []string{"v1", "v2"} {
			raw := proxyproto.Append(nil, version, h)
			if again, err := proxyproto.Read(bytes.NewReader(raw)); err != nil || again != h {
				t.Fatalf("%s: %v came back as %v (%v)", version, h, again, err)
			}
		}
	})
}
