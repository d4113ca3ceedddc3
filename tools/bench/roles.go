package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// play is this program as a client of its own, which prints what it has counted, or as the server behind the proxies:
//
//	role server HTTP SINK GRPC
//	role tunnels|uploads|bulk ADDRESS SECONDS
//	role handshakes ADDRESS SECONDS full|resumed
//	role crowd ADDRESS SECONDS sockets|events|connections|streams
func play(args []string) error {
	if len(args) == 4 && args[0] == "server" {
		return serve(args[1], args[2], args[3])
	}
	if len(args) < 3 {
		return fmt.Errorf("role %q: arguments are missing", args)
	}
	address := args[1]
	seconds, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	var n int64
	switch args[0] {
	case "tunnels":
		n, err = many(256, seconds, func(c *counting) error { return tunnel(address, c) })
	case "uploads":
		n, err = many(8, seconds, func(c *counting) error { return upload(address, c) })
	case "bulk":
		n, err = many(1, seconds, func(c *counting) error { return send(address, c) })
	case "handshakes":
		resumed := len(args) > 3 && args[3] == "resumed"
		n, err = many(4, seconds, func(c *counting) error { return handshakes(address, resumed, c) })
	case "crowd":
		if len(args) < 4 {
			return errors.New("crowd: of what?")
		}
		n, err = gather(args[3], address, seconds)
	default:
		return fmt.Errorf("there is no role %q", args[0])
	}
	fmt.Print(n)
	return err
}

// counting is what clients that run at the same time count together, until they shall stop.
type counting struct {
	atomic.Int64
	stop atomic.Bool
}

// many runs a client so many times at once. The first error ends the count.
func many(clients, seconds int, client func(*counting) error) (int64, error) {
	var c counting
	errs := make([]error, clients)
	var all sync.WaitGroup
	for i := range clients {
		all.Go(func() { errs[i] = client(&c) })
	}
	<-time.After(time.Duration(seconds) * time.Second)
	c.stop.Store(true)
	all.Wait()
	return c.Load(), errors.Join(errs...)
}

// tunnel sends messages through an upgraded connection, and reads each back.
func tunnel(address string, count *counting) error {
	c, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	defer c.Close()
	b := bufio.NewReader(c)
	if err = upgrade(c, b); err != nil {
		return err
	}
	p := make([]byte, 64)
	for !count.stop.Load() {
		if _, err = c.Write(p); err != nil {
			return err
		}
		if _, err = io.ReadFull(b, p); err != nil {
			return err
		}
		count.Add(1)
	}
	return nil
}

// upgrade makes a tunnel of a connection.
func upgrade(c net.Conn, b *bufio.Reader) error {
	const ask = "GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
	if _, err := io.WriteString(c, ask); err != nil {
		return err
	}
	resp, err := http.ReadResponse(b, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusSwitchingProtocols {
		return errors.New("upgrade: " + resp.Status)
	}
	return nil
}

// clientTLS trusts anybody: certificates are not what is measured. All proxies get the same key exchange, one that they
// all know.
func clientTLS(sessions tls.ClientSessionCache) *tls.Config {
	return &tls.Config{
		InsecureSkipVerify: true, ServerName: "localhost", NextProtos: []string{"http/1.1"},
		CurvePreferences: []tls.CurveID{tls.X25519}, ClientSessionCache: sessions,
	}
}

// handshakes opens TLS connections with one request each.
func handshakes(address string, resumed bool, count *counting) error {
	var sessions tls.ClientSessionCache
	if resumed {
		sessions = tls.NewLRUClientSessionCache(8)
	}
	config := clientTLS(sessions)
	p := make([]byte, 4096)
	one := func(again bool) error {
		c, err := tls.Dial("tcp", address, config)
		if err != nil {
			return err
		}
		defer c.Close()
		if again && !c.ConnectionState().DidResume {
			return errors.New("a session was not resumed")
		}
		if _, err = io.WriteString(c, request("/")); err != nil {
			return err
		}
		_, err = c.Read(p) // and with it the ticket for the next time
		count.Add(1)
		return err
	}
	for n := 0; !count.stop.Load(); n++ {
		if err := one(resumed && n > 0); err != nil {
			return err
		}
	}
	return nil
}

// upload sends requests with a body of 1 MiB.
func upload(address string, count *counting) error {
	body := bytes.Repeat([]byte("x"), 1<<20)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1}}
	for !count.stop.Load() {
		resp, err := client.Post("http://"+address+"/upload", "application/octet-stream", bytes.NewReader(body))
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if err != nil {
			return err
		}
		if resp.StatusCode != http.StatusOK {
			return errors.New("upload: " + resp.Status)
		}
		count.Add(1)
	}
	return nil
}

// send sends bytes, and counts them. What is still in buffers at the end is next to nothing of it.
func send(address string, count *counting) error {
	c, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	defer c.Close()
	p := make([]byte, 128<<10)
	for !count.stop.Load() {
		n, err := c.Write(p)
		if err != nil {
			return err
		}
		count.Add(int64(n))
	}
	return nil
}
