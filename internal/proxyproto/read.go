package proxyproto

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"

	"github.com/pires/go-proxyproto"

	"github.com/fabian4/gateway-homebrew-go/internal/netio"
)

const (
	// prefixBytes is the signature of version 2; the shortest line of version 1 is longer.
	prefixBytes = 12
	// v2Bytes is the fixed part of version 2, with the length of the rest.
	v2Bytes = 16
	// v1Bytes is the longest line of version 1.
	v1Bytes = 107
	// maxRest bounds what follows the fixed part of version 2: addresses and TLVs, of which a client's certificate is
	// the longest in use.
	maxRest = 4 << 10
	// MaxBytes is the longest header that is read.
	MaxBytes = v2Bytes + maxRest
)

// Header is who is connected to whom, as the proxy before us says.
type Header struct {
	Source      netip.AddrPort // the client; not valid: the header names nobody
	Destination netip.AddrPort // where it has connected to
}

// Known tells whether the header names a client.
func (h *Header) Known() bool { return h.Source.IsValid() }

// ErrNone is that the peer sent nothing at all, as the health checks of balancers do.
var ErrNone = errors.New("closed without a PROXY header")

var errNoHeader = errors.New("no PROXY header")

// Read takes the header off r, and nothing behind it.
func Read(r io.Reader) (Header, error) {
	raw := make([]byte, prefixBytes, v1Bytes)
	if n, err := io.ReadFull(r, raw); err != nil {
		if n == 0 && errors.Is(err, io.EOF) {
			return Header{}, ErrNone
		}
		return Header{}, unexpected(err)
	}
	var err error
	switch {
	case bytes.Equal(raw, proxyproto.SIGV2):
		raw, err = readV2(r, raw)
	case bytes.HasPrefix(raw, proxyproto.SIGV1):
		raw, err = readV1(r, raw)
	default:
		err = errNoHeader
	}
	if err != nil {
		return Header{}, err
	}
	return parse(raw)
}

// readV2 reads the rest of the fixed part, which says how much follows.
func readV2(r io.Reader, raw []byte) ([]byte, error) {
	raw = raw[:v2Bytes]
	if _, err := io.ReadFull(r, raw[prefixBytes:]); err != nil {
		return nil, unexpected(err)
	}
	rest := int(binary.BigEndian.Uint16(raw[v2Bytes-2:]))
	if rest > maxRest {
		return nil, fmt.Errorf("PROXY header is too long (%d bytes)", v2Bytes+rest)
	}
	whole := append(make([]byte, 0, v2Bytes+rest), raw...)[:v2Bytes+rest]
	_, err := io.ReadFull(r, whole[v2Bytes:])
	return whole, unexpected(err)
}

// readV1 reads to the end of the line.
func readV1(r io.Reader, raw []byte) ([]byte, error) {
	for raw[len(raw)-1] != '\n' {
		if len(raw) == v1Bytes {
			return nil, errors.New("PROXY header has no end")
		}
		raw = raw[:len(raw)+1]
		if _, err := io.ReadFull(r, raw[len(raw)-1:]); err != nil {
			return nil, unexpected(err)
		}
	}
	return raw, nil
}

func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// parse is for a whole header.
func parse(raw []byte) (Header, error) {
	behind := bytes.NewReader(raw)
	buf := bufio.NewReaderSize(behind, len(raw))
	h, err := proxyproto.Read(buf)
	switch {
	case err != nil:
		return Header{}, fmt.Errorf("PROXY header: %s", strings.TrimPrefix(err.Error(), "proxyproto: "))
	case buf.Buffered()+behind.Len() > 0:
		return Header{}, errors.New("PROXY header: it ends before its length")
	case h.Command.IsLocal(), h.TransportProtocol.IsUnspec(), h.TransportProtocol.IsUnix():
		return Header{}, nil
	case !h.TransportProtocol.IsStream():
		return Header{}, errors.New("PROXY header: not of a stream")
	}
	return Header{Source: netio.AddrPort(h.SourceAddr), Destination: netio.AddrPort(h.DestinationAddr)}, nil
}
