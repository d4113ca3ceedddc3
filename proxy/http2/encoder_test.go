package http2

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"golang.org/x/net/http2/hpack"
)

// coder checks an encoder against the reference decoder.
type coder struct {
	enc  encoder
	dec  *hpack.Decoder
	got  []hpack.HeaderField
	wire int
}

func newCoder() *coder {
	c := &coder{enc: newEncoder()}
	c.dec = hpack.NewDecoder(tableBytes, func(f hpack.HeaderField) { c.got = append(c.got, f) })
	return c
}

// send encodes a block, decodes it, and compares.
func (c *coder) send(list []hpack.HeaderField, hows []indexing) error {
	c.got = c.got[:0]
	b := c.enc.begin(nil)
	for i, f := range list {
		b = c.enc.field(b, &field{f.Name, []byte(f.Value), hows[i], staticNames[f.Name]})
	}
	c.wire = len(b)
	if _, err := c.dec.Write(b); err != nil {
		return err
	}
	if err := c.dec.Close(); err != nil {
		return err
	}
	if len(c.got) != len(list) {
		return fmt.Errorf("%d fields came out of %d", len(c.got), len(list))
	}
	for i, f := range list {
		f.Sensitive = hows[i] == neverIndexed
		if c.got[i] != f {
			return fmt.Errorf("field %d: %v became %v", i, f, c.got[i])
		}
	}
	return nil
}

// TestEncoder sends random blocks with repetitions, while the peer changes its mind about the table.
func TestEncoder(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	c := newCoder()
	for range 3000 {
		if rnd.IntN(20) == 0 {
			for range 1 + rnd.IntN(3) {
				c.enc.setLimit(uint32(rnd.IntN(6000)))
			}
		}
		var list []hpack.HeaderField
		var hows []indexing
		for range rnd.IntN(12) {
			f := hpack.HeaderField{Name: fmt.Sprint("name-", rnd.IntN(40)), Value: fmt.Sprint("value", rnd.IntN(4))}
			switch rnd.IntN(6) {
			case 0:
				s := staticTable[rnd.IntN(len(staticTable))]
				f = hpack.HeaderField{Name: s.name, Value: s.value}
			case 1:
				f.Value = string(bytes.Repeat([]byte("v"), rnd.IntN(3000)))
			case 2:
				f.Name = staticTable[rnd.IntN(len(staticTable))].name
			}
			list, hows = append(list, f), append(hows, indexing(rnd.IntN(3)))
		}
		if err := c.send(list, hows); err != nil {
			t.Fatal(err)
		}
		if c.enc.size > c.enc.limit || c.enc.size > tableBytes {
			t.Fatalf("table of %d bytes, limit %d", c.enc.size, c.enc.limit)
		}
	}
}

// TestEncoderIndexes: what recurs takes a byte, what differs each time and what is secret leaves the table alone.
func TestEncoderIndexes(t *testing.T) {
	for _, row := range []struct {
		name, value string
		wire        int // bytes the second time
	}{
		{":method", "GET", 1}, {":path", "/a", 1}, {"x-tenant", "blue", 1}, {"content-type", "application/grpc", 1},
		{"x-request-id", "1", 1 + 1 + len("x-request-id") + 1 + 1}, {"authorization", "secret", 2 + 1 + len("secret")},
		{"cookie", "a", 2 + 1 + 1},
		{"content-length", "10", 2 + 1 + 2},
	} {
		c := newCoder()
		f := new(Fields)
		f.Add([]byte(row.name), []byte(row.value))
		for range 2 {
			b := c.enc.begin(nil)
			for _, p := range f.list {
				b = c.enc.field(b, &p)
			}
			c.wire = len(b)
		}
		if c.wire != row.wire {
			t.Errorf("%s takes %d bytes the second time, want %d", row.name, c.wire, row.wire)
		}
	}
}

func FuzzEncoder(f *testing.F) {
	f.Add([]byte("a\x00b\x00x-a\x00c\x00a\x00b"), uint16(100))
	f.Add([]byte(":status\x00200\x00cookie\x00secret\x00:status\x00200"), uint16(0))
	f.Fuzz(func(t *testing.T, text []byte, limit uint16) {
		c := newCoder()
		parts := bytes.Split(text, []byte{0})
		var list []hpack.HeaderField
		var hows []indexing
		for i := 0; i+1 < len(parts); i += 2 {
			list = append(list, hpack.HeaderField{Name: string(parts[i]), Value: string(parts[i+1])})
			hows = append(hows, indexing(len(parts[i+1])%3))
		}
		for range 2 {
			if err := c.send(list, hows); err != nil {
				t.Fatal(err)
			}
			c.enc.setLimit(uint32(limit))
		}
	})
}
