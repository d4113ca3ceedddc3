package l4

import (
	"errors"
	"io"

	"github.com/fabian4/gateway-homebrew-go/internal/netio"
)

// sniff reads the ClientHello, however it is cut into records and segments, and keeps what it has read for the
// endpoint.
func (c *conn) sniff() bool {
	buf, n := netio.NewBuffer(), 0
	defer func() { c.client.early, c.client.earlyBytes = buf, buf.B[:n] }()
	var h hello
	for {
		if n == len(buf.B) {
			if n >= maxHello {
				c.refuse("ClientHello", errLongHello, false)
				return false
			}
			larger := netio.Sized(maxHello)
			copy(larger.B, buf.B)
			buf.Free()
			buf = larger
		}
		m, err := c.socket.Read(buf.B[n:])
		n += m
		done, bad := h.add(buf.B[:n])
		switch {
		case bad != nil:
			c.refuse("ClientHello", bad, false)
			return false
		case done:
			c.client.name = h.name
			return true
		case err != nil:
			c.refuse("ClientHello", err, n == 0 && errors.Is(err, io.EOF))
			return false
		}
	}
}
