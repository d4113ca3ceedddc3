package l4

import (
	"bytes"
	"crypto/tls"
	"errors"
	"net"
	"strings"
	"testing"
	"time"
)

var errSeen = errors.New("seen")

// capture is a connection that gives what a TLS client says first, and breaks on any other use.
type capture struct {
	net.Conn
	out bytes.Buffer
}

func (c *capture) Write(b []byte) (int, error)      { return c.out.Write(b) }
func (c *capture) Read([]byte) (int, error)         { return 0, errSeen }
func (c *capture) SetReadDeadline(time.Time) error  { return nil }
func (c *capture) SetWriteDeadline(time.Time) error { return nil }

// clientHello is what Go's client sends for a name, in one record.
func clientHello(t testing.TB, config *tls.Config) []byte {
	t.Helper()
	var c capture
	if err := tls.Client(&c, config).Handshake(); !errors.Is(err, errSeen) {
		t.Fatal(err)
	}
	return c.out.Bytes()
}

// records cuts the message of one record into records of n bytes.
func records(hello []byte, n int) []byte {
	var out []byte
	for message := hello[recordHeaderBytes:]; len(message) > 0; {
		k := min(n, len(message))
		out = append(out, hello[0], hello[1], hello[2], byte(k>>8), byte(k))
		out = append(out, message[:k]...)
		message = message[k:]
	}
	return out
}

func TestHello(t *testing.T) {
	plain := clientHello(t, &tls.Config{ServerName: "Orders.Example.COM", MaxVersion: tls.VersionTLS12,
		CurvePreferences: []tls.CurveID{tls.CurveP256}})
	quantum := clientHello(t, &tls.Config{ServerName: "orders.example.com"})
	if len(quantum) < 1400 {
		t.Fatalf("the post-quantum hello has only %d bytes", len(quantum))
	}
	nobody := clientHello(t, &tls.Config{InsecureSkipVerify: true})
	for _, row := range []struct {
		name string
		in   []byte
		want string
	}{
		{"plain", plain, "orders.example.com"},
		{"post-quantum", quantum, "orders.example.com"},
		{"without a name", nobody, ""},
		{"two records", records(quantum, 1000), "orders.example.com"},
		{"records of a byte", records(quantum, 1), "orders.example.com"},
		{"with bytes behind", append(bytes.Clone(plain), "\x14\x03\x03\x00\x01\x01"...), "orders.example.com"},
	} {
		t.Run(row.name, func(t *testing.T) {
			for _, piece := range []int{1, 7, 1 << 20} { // as segments may cut it
				var h hello
				end := 0
				for end < len(row.in) {
					end = min(end+piece, len(row.in))
					done, err := h.add(row.in[:end])
					if err != nil {
						t.Fatal(err)
					}
					if done {
						break
					}
					if end == len(row.in) {
						t.Fatal("not done at its end")
					}
				}
				if h.name != row.want {
					t.Errorf("in pieces of %d: %q, want %q", piece, h.name, row.want)
				}
			}
		})
	}
}

// message is a hello with these extensions.
func message(extensions string) []byte {
	body := "\x03\x03" + strings.Repeat("r", 32) + "\x00" + "\x00\x02\x13\x01" + "\x01\x00" +
		string([]byte{byte(len(extensions) >> 8), byte(len(extensions))}) + extensions
	m := "\x01" + string([]byte{0, byte(len(body) >> 8), byte(len(body))}) + body
	return []byte("\x16\x03\x01" + string([]byte{byte(len(m) >> 8), byte(len(m))}) + m)
}

// names is the extension with these entries.
func names(list string) string {
	n := len(list)
	return "\x00\x00" + string([]byte{byte((n + 2) >> 8), byte(n + 2), byte(n >> 8), byte(n)}) + list
}

func host(name string) string {
	return "\x00" + string([]byte{byte(len(name) >> 8), byte(len(name))}) + name
}

func TestHelloRefused(t *testing.T) {
	good := message(names(host("a.example")))
	var h hello
	if done, err := h.add(good); !done || err != nil || h.name != "a.example" {
		t.Fatalf("the good one: %v, %v, %q", done, err, h.name)
	}
	edit := func(at int, to byte) []byte { b := bytes.Clone(good); b[at] = to; return b }
	for _, row := range []struct {
		name string
		in   []byte
		want error
	}{
		{"http", []byte("GET / HTTP/1.1\r\n"), errNotTLS},
		{"ssh", []byte("SSH-2.0"), errNotTLS},
		{"sslv2", []byte("\x80\x2e\x01\x03\x01"), errNotTLS},
		{"one wrong byte", []byte("G"), errNotTLS},
		{"an alert", edit(0, 21), errNotTLS},
		{"version", edit(1, 2), errNotTLS},
		{"empty record", []byte("\x16\x03\x01\x00\x00"), errNotTLS},
		{"long record", []byte("\x16\x03\x01\x40\x01"), errNotTLS},
		{"server hello", edit(5, 2), errNotTLS},
		{"long message", edit(6, 2), errLongHello},
		{"bytes behind in the record", edit(8, good[8]-1), errBadHello},
		{"two names", message(names(host("a") + host("b"))), errBadHello},
		{"two extensions", message(names(host("a")) + names(host("a"))), errBadHello},
		{"no names", message(names("")), errBadHello},
		{"empty name", message(names(host(""))), errBadHello},
		{"dot at the end", message(names(host("a."))), errBadHello},
		{"blank", message(names(host("a b"))), errBadHello},
		{"zero byte", message(names(host("a\x00b"))), errBadHello},
		{"long name", message(names(host(strings.Repeat("a", 256)))), errBadHello},
		{"bytes behind the list", message("\x00\x00\x00\x07\x00\x04\x00\x00\x01ab"), errBadHello},
		{"half an extension", message("\x00\x00\x00"), errBadHello},
		{"odd suites", append([]byte("\x16\x03\x01\x00\x2e\x01\x00\x00\x2a\x03\x03"+strings.Repeat("r", 32)),
			"\x00\x00\x03\x13\x01\x01\x01\x00"...), errBadHello},
	} {
		t.Run(row.name, func(t *testing.T) {
			var h hello
			done, err := h.add(row.in)
			if done || !errors.Is(err, row.want) {
				t.Errorf("done %v, error %v, want %v", done, err, row.want)
			}
		})
	}
}

func TestRoutes(t *testing.T) {
	var r routes
	all := map[string]*upstream{}
	for _, host := range []string{"a.example.com", "*.example.com", "*.deep.example.com", "*"} {
		all[host] = new(upstream)
		r.add(host, all[host])
	}
	for name, want := range map[string]string{
		"a.example.com": "a.example.com", "b.example.com": "*.example.com", "x.a.example.com": "*.example.com",
		"example.com":        "*",
		"x.deep.example.com": "*.deep.example.com", "deep.example.com": "*.example.com",
		"x.y.deep.example.com": "*.deep.example.com",
		"":                     "*", "other.org": "*", ".example.com": "*", "com": "*",
	} {
		if r.find(name) != all[want] {
			t.Errorf("%q does not go to %q", name, want)
		}
	}
	r.other = nil
	for _, name := range []string{"", "example.com", "other.org"} {
		if r.find(name) != nil {
			t.Errorf("%q goes somewhere", name)
		}
	}
}

// replay is a connection whose reads come from a buffer.
type replay struct {
	capture
	in *bytes.Reader
}

func (c *replay) Read(b []byte) (int, error) { return c.in.Read(b) }

// theirName is the name that crypto/tls reads; ok tells whether it got that far.
func theirName(in []byte) (name string, ok bool) {
	c := &replay{in: bytes.NewReader(in)}
	_ = tls.Server(c, &tls.Config{GetConfigForClient: func(h *tls.ClientHelloInfo) (*tls.Config, error) {
		name, ok = h.ServerName, true
		return nil, errSeen
	}}).Handshake()
	return strings.ToLower(name), ok
}

// FuzzHello holds the parser against crypto/tls: where both read a hello, they read the same name. And it never needs
// more than was there, however the input is cut.
func FuzzHello(f *testing.F) {
	f.Add(message(names(host("a.example"))), 3)
	f.Add(message(""), 1)
	f.Add(records(message(names(host("b.example"))), 30), 64)
	f.Add(message("\x00\x0a\x00\x04\x00\x02\x00\x1d"+names("\x01\x00\x01x"+host("C.example"))), 10)
	f.Fuzz(func(t *testing.T, in []byte, piece int) {
		var whole, pieces hello
		done, err := whole.add(in)
		if piece < 1 {
			piece = 1
		}
		var doneToo bool
		var errToo error
		for end := 0; end < len(in) && !doneToo && errToo == nil; {
			end = min(end+piece, len(in))
			doneToo, errToo = pieces.add(in[:end])
		}
		if done != doneToo || (err == nil) != (errToo == nil) || whole.name != pieces.name {
			t.Fatalf("whole: %v %v %q, in pieces: %v %v %q", done, err, whole.name, doneToo, errToo, pieces.name)
		}
		if !done {
			return
		}
		if name, ok := theirName(in); ok && name != whole.name {
			t.Fatalf("we read %q, crypto/tls %q", whole.name, name)
		}
	})
}
