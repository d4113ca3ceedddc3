package netio

import (
	"crypto/tls"
	"net"
	"testing"
	"time"
)

// segments is a connection whose writes go out together, as far as they may.
type segments struct {
	net.Conn
	gather bool
	b      []byte
}

func (s *segments) Write(p []byte) (int, error) {
	if !s.gather {
		return s.Conn.Write(p)
	}
	s.b = append(s.b, p...)
	return len(p), nil
}

// SetWriteDeadline does nothing: crypto/tls lets nothing out behind its close_notify.
func (*segments) SetWriteDeadline(time.Time) error { return nil }

// send sends the first n bytes of what was gathered; negative: but that many of them.
func (s *segments) send(t *testing.T, n int) {
	t.Helper()
	if n < 0 {
		n += len(s.b)
	}
	if _, err := s.Conn.Write(s.b[:n]); err != nil {
		t.Fatal(err)
	}
	s.b = s.b[n:]
}

// corked returns a Conn over TLS over a Cork, and its peer with what is under that.
func corked(t *testing.T, version uint16) (*Conn, *tls.Conn, *segments) {
	t.Helper()
	near, far := dialled(t)
	server, client := tlsConfigs()
	server, client = server.Clone(), client.Clone()
	server.MaxVersion, client.MaxVersion = version, version
	under := &segments{Conn: far}
	ours, peer := tls.Client(NewCork(near), client), tls.Server(under, server)
	done := make(chan error, 1)
	go func() { done <- peer.Handshake() }()
	if err := ours.Handshake(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	under.gather = true
	c := New(ours, NewSweeper(), 0)
	t.Cleanup(func() { _ = c.Close(); _ = far.Close() })
	return c, peer, under
}

func TestUnreadUnderTLS(t *testing.T) {
	const answer, unasked = "the answer", "what nobody asked for"
	for _, tt := range []struct {
		name    string
		records []string
		kept    int // bytes at the end that do not come at once
		buffer  int
		unread  bool
	}{
		{"nothing else", []string{answer}, 0, 100, false},
		{"nothing else, by a buffer of its size", []string{answer}, 0, len(answer), false},
		{"in the same record", []string{answer + unasked}, 0, len(answer), true},
		{"in another record", []string{answer, unasked}, 0, 100, true},
		{"in another record, by a buffer of the answer's size", []string{answer, unasked}, 0, len(answer), true},
		{"in two other records", []string{answer, unasked[:5], unasked[5:]}, 0, 100, true},
		{"in a record that is cut", []string{answer, unasked}, 1, 100, true},
		{"in a record whose header is cut", []string{answer, unasked}, -5, 100, true},
		{"in a record of which one byte came", []string{answer, unasked}, -1, 100, true},
	} {
		for name, version := range map[string]uint16{"TLS 1.2": tls.VersionTLS12, "TLS 1.3": tls.VersionTLS13} {
			t.Run(tt.name+", "+name, func(t *testing.T) {
				c, peer, under := corked(t, version)
				first := 0
				for i, r := range tt.records {
					if i == 1 {
						first = len(under.b)
					}
					if _, err := peer.Write([]byte(r)); err != nil {
						t.Fatal(err)
					}
				}
				if tt.kept < 0 {
					under.send(t, first-tt.kept)
				} else {
					under.send(t, len(under.b)-tt.kept)
				}
				b := make([]byte, tt.buffer)
				if n, err := c.Read(b); string(b[:n]) != answer {
					t.Fatalf("read %q and %v", b[:n], err)
				}
				for range 3 {
					if got := c.Unread(); got != tt.unread || c.Quiet() == tt.unread {
						t.Fatalf("Unread() = %v, Quiet() = %v, want %v and %v", got, c.Quiet(), tt.unread, !tt.unread)
					}
				}
				// Whatever lay there is still there, and the connection is as good as before.
				want := unasked
				if !tt.unread {
					if _, err := peer.Write([]byte(want)); err != nil {
						t.Fatal(err)
					}
				}
				under.send(t, len(under.b))
				for len(want) > 0 {
					n, err := c.Read(make([]byte, 100))
					if err != nil {
						t.Fatal(err)
					}
					want = want[n:]
				}
				if c.Unread() || !c.Quiet() {
					t.Error("at the end something is left")
				}
			})
		}
	}
}

// The end of the peer's stream lies behind the answer: the connection is of no more use, and the next read says so.
func TestUnreadEndUnderTLS(t *testing.T) {
	c, peer, under := corked(t, tls.VersionTLS13)
	for _, do := range []func() error{
		func() error { _, err := peer.Write([]byte("the answer")); return err }, peer.CloseWrite,
	} {
		if err := do(); err != nil {
			t.Fatal(err)
		}
	}
	under.send(t, len(under.b))
	b := make([]byte, 4)
	if n, err := c.Read(b); n != len(b) || err != nil {
		t.Fatalf("read %d bytes and %v", n, err)
	}
	if !c.Unread() || c.Quiet() {
		t.Error("the rest of the answer is not seen")
	}
	if n, _ := c.Read(make([]byte, 100)); n == 0 {
		t.Error("the rest of the answer is not there")
	}
	for c.Unread() {
		if n, err := c.Read(make([]byte, 100)); n == 0 {
			if err == nil {
				t.Error("no error at the end")
			}
			break
		}
	}
	if c.Quiet() {
		t.Error("the end is not seen")
	}
}

// Records are followed however they are cut into pieces.
func TestRecordsFollow(t *testing.T) {
	stream := []byte{23, 3, 3, 0, 2, 'a', 'b', 21, 3, 3, 0, 0, 23, 3, 3, 1, 1}
	stream = append(stream, make([]byte, 257)...)
	ends := map[int]bool{0: true, 7: true, 12: true, len(stream): true}
	for size := 1; size <= len(stream); size++ {
		var r records
		for at := 0; at < len(stream); at += size {
			to := min(at+size, len(stream))
			r.follow(stream[at:to])
			if r.cut() == ends[to] {
				t.Fatalf("by %d bytes, after %d of them: cut = %v", size, to, r.cut())
			}
			whole := int32(0)
			for end := range ends {
				if at < end && end <= to {
					whole++
				}
			}
			if r.whole != whole {
				t.Fatalf("by %d bytes, after %d of them: %d whole records, want %d", size, to, r.whole, whole)
			}
		}
	}
}

// Asking costs nothing where nothing lies unread, which is always but for odd peers.
func TestUnreadAllocates(t *testing.T) {
	c, peer, under := corked(t, tls.VersionTLS13)
	if _, err := peer.Write([]byte("the answer")); err != nil {
		t.Fatal(err)
	}
	under.send(t, len(under.b))
	if _, err := c.Read(make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(100, func() {
		if c.Unread() {
			t.Error("something lies unread")
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
