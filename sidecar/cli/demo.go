package cli

import (
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"
	"time"

	"golang.org/x/net/websocket"
)

// demo is a small app to put a gateway in front of. It tells what it was asked,
// so that one sees what the gateway made of a request.
type demo struct {
	listener net.Listener
	server   http.Server
	done     chan struct{} // closed when the server has ended
}

// startDemo listens on a free loopback port and serves until close.
func startDemo() (*demo, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	d := &demo{listener: l, done: make(chan struct{})}
	d.server = http.Server{
		Handler:           demoRoutes(),
		ReadHeaderTimeout: 5 * time.Second,
		IdleTimeout:       2 * time.Minute, // longer than the gateway keeps a connection
		MaxHeaderBytes:    1 << 20,
	}
	go func() {
		defer close(d.done)
		_ = d.server.Serve(l) // ends with an error always; close is why
	}()
	return d, nil
}

func (d *demo) address() string { return d.listener.Addr().String() }

func (d *demo) close() {
	_ = d.server.Close() // it has nothing to lose
	<-d.done
}

func demoRoutes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/", demoEcho)
	mux.HandleFunc("/slow", demoSlow)
	mux.HandleFunc("/status/{code}", demoStatus)
	mux.HandleFunc("/stream", demoStream)
	// A Server, not a Handler: the latter wants an Origin, which only browsers send.
	mux.Handle("/echo", websocket.Server{Handler: func(c *websocket.Conn) { _, _ = io.Copy(c, c) }})
	return mux
}

const demoHint = "\ntry also /slow?for=3s  /status/503  /stream  and, with a WebSocket, /echo\n"

// demoEcho answers with the request as it arrived.
func demoEcho(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	fmt.Fprintf(w, "the demo app was asked\n\n%s %s %s\nHost: %s\n", r.Method, r.RequestURI, r.Proto, r.Host)
	for _, name := range slices.Sorted(maps.Keys(r.Header)) {
		for _, value := range r.Header[name] {
			fmt.Fprintf(w, "%s: %s\n", name, value)
		}
	}
	fmt.Fprint(w, demoHint)
}

// demoSlow answers after a while: 3 s, or what ?for= says, at most a minute.
func demoSlow(w http.ResponseWriter, r *http.Request) {
	wait := 3 * time.Second
	if text := r.URL.Query().Get("for"); text != "" {
		d, err := time.ParseDuration(text)
		if err != nil || d < 0 || d > time.Minute {
			http.Error(w, "for is no duration up to 1m", http.StatusBadRequest)
			return
		}
		wait = d
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		fmt.Fprintf(w, "this took %s\n", wait)
	case <-r.Context().Done(): // nobody waits any more
	}
}

// demoStatus answers with the status that it is asked for.
func demoStatus(w http.ResponseWriter, r *http.Request) {
	code, err := strconv.Atoi(r.PathValue("code"))
	if err != nil || code < 200 || code > 599 {
		http.Error(w, "no status from 200 to 599", http.StatusBadRequest)
		return
	}
	w.WriteHeader(code)
	if code != http.StatusNoContent && code != http.StatusNotModified {
		fmt.Fprintf(w, "%d %s\n", code, http.StatusText(code))
	}
}

// demoStream sends a line now and then, each on its way at once.
func demoStream(w http.ResponseWriter, r *http.Request) {
	const lines, pause = 10, 300 * time.Millisecond
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	out := http.NewResponseController(w)
	ticker := time.NewTicker(pause)
	defer ticker.Stop()
	for n := 1; ; n++ {
		fmt.Fprintf(w, "line %d of %d\n", n, lines)
		if err := out.Flush(); err != nil || n == lines {
			return
		}
		select {
		case <-ticker.C:
		case <-r.Context().Done():
			return
		}
	}
}
