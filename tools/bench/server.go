package main

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// serve is the backend for what nginx does not play:
//
//	/slow            waits for the client to go
//	/upload          reads the body
//	/big/N           N bytes
//	/events          an event every five seconds, for ever
//	/ws              an upgrade to a connection that sends back what comes
//	/http.Echo/Say   gRPC by net/http, which writes each response in pieces: the message that came
//
// On the other addresses it reads whatever comes, and speaks gRPC.
func serve(address, sink, calls string) error {
	bytes, err := net.Listen("tcp", sink)
	if err != nil {
		return err
	}
	messages, err := net.Listen("tcp", calls)
	if err != nil {
		return err
	}
	failed := make(chan error)
	go func() { failed <- swallow(bytes) }()
	go func() { failed <- serveGRPC(messages) }()
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	s := &http.Server{
		Addr: address, Handler: http.HandlerFunc(answer), Protocols: protocols,
		HTTP2: &http.HTTP2Config{MaxConcurrentStreams: 1000},
	}
	go func() { failed <- s.ListenAndServe() }()
	return <-failed
}

var zeros = make([]byte, 1<<20)

func answer(w http.ResponseWriter, r *http.Request) {
	size, big := strings.CutPrefix(r.URL.Path, "/big/")
	switch {
	case r.URL.Path == "/slow":
		<-r.Context().Done()
	case r.URL.Path == "/upload":
		_, _ = io.Copy(io.Discard, r.Body) // the client sees what went wrong
	case big:
		n, err := strconv.Atoi(size)
		if err != nil || n < 0 || n > len(zeros) {
			http.Error(w, "a size that is not served", http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Length", size)
		_, _ = w.Write(zeros[:n])
	case r.URL.Path == "/events":
		sendEvents(w, r)
	case r.URL.Path == "/ws":
		if c, b, err := http.NewResponseController(w).Hijack(); err == nil {
			_ = echo(c, b.Reader) // it ends with the connection
		}
	case r.URL.Path == "/http.Echo/Say":
		message, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
		if err != nil {
			return
		}
		w.Header().Set("Content-Type", "application/grpc")
		w.Header().Set("Trailer", "Grpc-Status")
		_, _ = w.Write(message)
		w.Header().Set("Grpc-Status", "0")
	}
}

// sendEvents sends an event at once, and one with the pace of a crowd, until the client goes.
func sendEvents(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	flush := http.NewResponseController(w).Flush
	for wait := phase(); ; wait = pace {
		if _, err := io.WriteString(w, "data: "+kilobyte[:64-len("data: \n\n")]+"\n\n"); err != nil {
			return
		}
		if err := flush(); err != nil {
			return
		}
		select {
		case <-time.After(wait):
		case <-r.Context().Done():
			return
		}
	}
}

// echo answers an upgrade and sends back what comes.
func echo(c net.Conn, from *bufio.Reader) error {
	defer c.Close()
	const switching = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Accept: ICX+Yqv66kxgM0FcWaLWlFLwTAI=\r\n\r\n"
	if _, err := io.WriteString(c, switching); err != nil {
		return err
	}
	p := make([]byte, 4096)
	for {
		n, err := from.Read(p)
		if err != nil {
			return err
		}
		if _, err = c.Write(p[:n]); err != nil {
			return err
		}
	}
}

// swallow reads what comes.
func swallow(ln net.Listener) error {
	for {
		c, err := ln.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer c.Close()
			p := make([]byte, 128<<10)
			for {
				if _, err := c.Read(p); err != nil {
					return
				}
			}
		}()
	}
}
