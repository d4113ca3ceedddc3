package sidecar_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
)

// kind is one kind of traffic.
type kind struct {
	name string
	load *load
}

// traffic begins some 400 requests a second in all, until the loads are stopped.
func (s *soaked) traffic() []kind {
	s.t.Helper()
	config := &tls.Config{RootCAs: s.ca.Pool(), ServerName: "soak.test"}
	kept := &http.Client{Timeout: longestWait, Transport: &http.Transport{MaxIdleConnsPerHost: 16}}
	fresh := &http.Client{Timeout: longestWait, Transport: &http.Transport{DisableKeepAlives: true}}
	h2 := &http.Client{Timeout: longestWait, Transport: &http.Transport{TLSClientConfig: config.Clone(),
		ForceAttemptHTTP2: true}}
	handshakes := &http.Client{Timeout: longestWait, Transport: &http.Transport{TLSClientConfig: config.Clone(),
		DisableKeepAlives: true}}
	s.t.Cleanup(kept.CloseIdleConnections)
	s.t.Cleanup(h2.CloseIdleConnections)
	plain, secure := strings.TrimPrefix(s.url, "http://"), "https://"+s.secure
	open, closed := s.channel(plain, insecure.NewCredentials()), s.channel(s.secure, credentials.NewTLS(config))
	calls := func() (int, string, error) { return call(open, 1) }
	streams := func() (int, string, error) { return call(closed, 10) }
	posts := func() (int, string, error) { return post(kept, s.url+"/") }
	named := func() (*peer, error) { return dialPeer(s.named, config) }
	webSocket := &session{dial: func() (*peer, error) { return dialWebSocket(plain) }}
	raw := &session{dial: func() (*peer, error) { return dialPeer(s.raw, nil) }}
	s.t.Cleanup(webSocket.close)
	s.t.Cleanup(raw.close)

	get := func(c *http.Client, url string) func() (int, string, error) {
		return func() (int, string, error) { return fetchBy(c, url) }
	}
	var all []kind
	for _, k := range []struct {
		name    string
		workers int
		each    time.Duration
		ask     func() (int, string, error)
	}{
		{"HTTP/1.1, kept", 2, 20 * time.Millisecond, get(kept, s.url+"/")},
		{"HTTP/1.1, new connections", 1, 100 * time.Millisecond, get(fresh, s.url+"/")},
		{"HTTP/1.1, POST of 20 KB", 1, 50 * time.Millisecond, posts},
		{"HTTP/1.1, endpoint crashes", 2, 40 * time.Millisecond, get(kept, s.url+"/brittle")},
		{"HTTP/2 over TLS", 2, 20 * time.Millisecond, get(h2, secure+"/")},
		{"TLS, new connections", 1, 200 * time.Millisecond, get(handshakes, secure+"/")},
		{"gRPC, one message", 1, 20 * time.Millisecond, calls},
		{"gRPC over TLS, ten messages", 1, 100 * time.Millisecond, streams},
		{"WebSocket, one connection", 1, 50 * time.Millisecond, webSocket.ping},
		{"WebSocket, new connections", 1, 200 * time.Millisecond, once(webSocket.dial)},
		{"TCP, one connection", 1, 50 * time.Millisecond, raw.ping},
		{"TCP, new connections", 1, 100 * time.Millisecond, once(raw.dial)},
		{"TLS by name, new connections", 1, 200 * time.Millisecond, once(named)},
	} {
		l := &load{done: make(chan struct{})}
		for range k.workers {
			l.workers.Go(func() { l.pace(k.each, k.ask) })
		}
		s.t.Cleanup(func() { l.stop() })
		all = append(all, kind{k.name, l})
	}
	return all
}

// soakedApp says hello, returns bodies, and returns what comes over an upgraded connection.
func soakedApp(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Header.Get("Upgrade") != "":
		c, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		defer c.Close()
		_, _ = io.WriteString(c,
			"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		_, _ = io.Copy(c, rw) // ends with the client
	case r.Method == http.MethodPost:
		body, err := io.ReadAll(r.Body) // first: a server of net/http does not read on once it has begun to respond
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		_, _ = w.Write(body) // the gateway may have given up
	default:
		_, _ = io.WriteString(w, "hello")
	}
}

func post(c *http.Client, url string) (status int, body string, err error) {
	sent := bytes.Repeat([]byte("0123456789"), 2000)
	resp, err := c.Post(url, "text/plain", bytes.NewReader(sent))
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode == http.StatusOK && !bytes.Equal(got, sent) {
		err = fmt.Errorf("another body of %d bytes", len(got))
	}
	return resp.StatusCode, "", err
}

// crashing is a server that crashes: its connections are closed, whatever they carry, and it is back at once.
type crashing struct {
	address  string
	handler  http.Handler
	listener net.Listener
	server   *http.Server
}

func newCrashing(t *testing.T, h http.Handler) *crashing {
	t.Helper()
	c := &crashing{address: testserver.Addr(t), handler: h}
	c.start(t)
	t.Cleanup(c.stop)
	return c
}

func (c *crashing) start(t *testing.T) {
	t.Helper()
	l := testserver.ListenAt(t, c.address)
	s := &http.Server{Handler: c.handler}
	go func() { _ = s.Serve(l) }() // ends with stop
	c.listener, c.server = l, s
}

// stop frees the address, also where the server has not got as far as to know its listener.
func (c *crashing) stop() {
	_ = testserver.Release(c.listener) // it is closed in any case
	c.server.Close()
}

func (c *crashing) crash(t *testing.T) {
	t.Helper()
	c.stop()
	c.start(t)
}

// grpcEcho is a server that returns each message of each call.
func grpcEcho(t *testing.T) (address string) {
	t.Helper()
	return grpcServer(t, func(_ any, st grpc.ServerStream) error { return echoMessages(st) })
}

// grpcServer is a server that has each call, of whatever name, served by handle.
func grpcServer(t *testing.T, handle grpc.StreamHandler) (address string) {
	t.Helper()
	server := grpc.NewServer(grpc.UnknownServiceHandler(handle))
	l := testserver.Listen(t)
	go func() { _ = server.Serve(l) }() // ends with Stop
	t.Cleanup(server.Stop)
	return l.Addr().String()
}

// echoMessages returns each message of a call, until the client sends no more.
func echoMessages(st grpc.ServerStream) error {
	for {
		var m wrapperspb.StringValue
		if err := st.RecvMsg(&m); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if err := st.SendMsg(&m); err != nil {
			return err
		}
	}
}

func (s *soaked) channel(address string, as credentials.TransportCredentials) *grpc.ClientConn {
	s.t.Helper()
	c, err := grpc.NewClient(address, grpc.WithTransportCredentials(as))
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { c.Close() })
	return c
}

// call sends messages one by one and wants each back.
func call(c *grpc.ClientConn, messages int) (status int, body string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), longestWait)
	defer cancel()
	st, err := c.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, "/soak.Echo/Echo")
	if err != nil {
		return 0, "", err
	}
	for i := range messages {
		sent, got := wrapperspb.String(fmt.Sprint("message ", i)), new(wrapperspb.StringValue)
		if err := st.SendMsg(sent); err != nil {
			return 0, "", err
		}
		if err := st.RecvMsg(got); err != nil || got.GetValue() != sent.GetValue() {
			return 0, got.GetValue(), err
		}
	}
	if err := st.CloseSend(); err != nil {
		return 0, "", err
	}
	if err := st.RecvMsg(new(wrapperspb.StringValue)); !errors.Is(err, io.EOF) {
		return 0, "", err
	}
	return http.StatusOK, "", nil
}

// echoServer returns the bytes of each connection, over TLS if there is a configuration.
func echoServer(t *testing.T, config *tls.Config) (address string) {
	t.Helper()
	l := testserver.Listen(t)
	address = l.Addr().String()
	if config != nil {
		l = tls.NewListener(l, config)
	}
	t.Cleanup(func() { l.Close() })
	go func() { // ends with the listener
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { // ends with the client
				defer c.Close()
				_, _ = io.Copy(c, c) // a client may go at any time
			}()
		}
	}()
	return address
}

// peer is a connection to something that returns the bytes it gets.
type peer struct {
	net.Conn
	r *bufio.Reader
}

func dialPeer(address string, config *tls.Config) (*peer, error) {
	c, err := net.DialTimeout("tcp", address, longestWait)
	if err != nil {
		return nil, err
	}
	if config != nil {
		c = tls.Client(c, config)
	}
	return &peer{c, bufio.NewReader(c)}, nil
}

func dialWebSocket(address string) (*peer, error) {
	p, err := dialPeer(address, nil)
	if err != nil {
		return nil, err
	}
	_ = p.SetDeadline(time.Now().Add(longestWait)) // fails on a closed connection, and so does what follows
	_, err = io.WriteString(p, "GET / HTTP/1.1\r\nHost: soak.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: c29hayBzb2FrIHNvYWsgcw==\r\n\r\n")
	if err != nil {
		p.Close()
		return nil, err
	}
	resp, err := http.ReadResponse(p.r, nil)
	if err != nil {
		p.Close()
		return nil, err
	}
	resp.Body.Close() // of a switch it is empty
	if resp.StatusCode != http.StatusSwitchingProtocols {
		p.Close()
		return nil, errors.New(resp.Status)
	}
	return p, nil
}

// ping sends some bytes and wants them back.
func (p *peer) ping() error {
	const text = "some bytes"
	_ = p.SetDeadline(time.Now().Add(longestWait)) // as above
	if _, err := io.WriteString(p, text); err != nil {
		return err
	}
	got := make([]byte, len(text))
	if _, err := io.ReadFull(p.r, got); err != nil {
		return err
	}
	if string(got) != text {
		return fmt.Errorf("got %q", got)
	}
	return nil
}

// once is a connection of five pings.
func once(dial func() (*peer, error)) func() (status int, body string, err error) {
	return func() (status int, body string, err error) {
		p, err := dial()
		if err != nil {
			return 0, "", err
		}
		defer p.Close()
		for range 5 {
			if err := p.ping(); err != nil {
				return 0, "", err
			}
		}
		return http.StatusOK, "", nil
	}
}

// session is a connection that lives as long as the gateway lets it. It is one goroutine's.
type session struct {
	dial func() (*peer, error)
	peer *peer // nil = there is none yet
}

func (s *session) ping() (status int, body string, err error) {
	if s.peer == nil {
		if s.peer, err = s.dial(); err != nil {
			return 0, "", err
		}
	}
	if err := s.peer.ping(); err != nil {
		s.close()
		return 0, "", err
	}
	return http.StatusOK, "", nil
}

func (s *session) close() {
	if s.peer != nil {
		s.peer.Close()
		s.peer = nil
	}
}
