package http2

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"

	xhttp2 "golang.org/x/net/http2"

	"github.com/fabian4/gateway-homebrew-go/internal/netio"
	"github.com/fabian4/gateway-homebrew-go/internal/testpeer"
)

// peer is the other end of a connection under test. It lives in a synctest bubble. Its own methods ignore that the
// connection may be over already: what came of it is read.
type peer struct {
	*testpeer.Peer
	t    *testing.T
	nc   net.Conn
	sw   *netio.Sweeper
	hits *counts
}

// bubbleSweeper runs a sweeper that ends with the bubble.
func bubbleSweeper(t *testing.T) *netio.Sweeper {
	sw := netio.NewSweeper()
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() { sw.Run(ctx) })
	t.Cleanup(func() { cancel(); done.Wait() })
	return sw
}

// serverPeer is a client of a server under test. The preface and empty SETTINGS are sent.
func serverPeer(t *testing.T, h Handler, o Options) (*peer, *Server, <-chan error) {
	ours, theirs := net.Pipe()
	p := &peer{t: t, nc: theirs, sw: bubbleSweeper(t), hits: new(counts)}
	o.Count = p.hits.hit
	srv := NewServer(netio.New(ours, p.sw, 30*time.Second), h, o)
	ended := make(chan error, 1)
	var done sync.WaitGroup
	done.Go(func() { ended <- srv.Serve(nil) })
	t.Cleanup(func() { theirs.Close(); done.Wait() })
	p.Peer = testpeer.Client(t, theirs, theirs)
	return p, srv, ended
}

// clientPeer is a server for a client under test. The client's preface has been read, and empty SETTINGS are sent.
func clientPeer(t *testing.T, o Options, settings ...xhttp2.Setting) (*peer, *Client) {
	ours, theirs := net.Pipe()
	p := &peer{t: t, nc: theirs, sw: bubbleSweeper(t), hits: new(counts)}
	o.Count = p.hits.hit
	c := NewClient(netio.New(ours, p.sw, 30*time.Second), o)
	t.Cleanup(func() { theirs.Close(); <-c.Done() })
	p.Peer = testpeer.Server(t, theirs, theirs, settings...)
	return p, c
}

// write ignores that the connection may be over already: what came of it is read.
func (p *peer) write(err error) { _ = err }

// get is the head of a plain request.
var get = []string{":method", "GET", ":scheme", "http", ":path", "/", ":authority", "a.example"}

// post is the head of a request that has a body.
var post = []string{":method", "POST", ":scheme", "http", ":path", "/", ":authority", "a.example"}

func with(fields []string, more ...string) []string {
	return append(append([]string(nil), fields...), more...)
}

func (p *peer) headers(id uint32, end bool, fields ...string) { p.write(p.Headers(id, end, fields...)) }

func (p *peer) data(id uint32, end bool, n int) { p.write(p.WriteData(id, end, make([]byte, n))) }
