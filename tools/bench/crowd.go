package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptrace"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	crowdSize = 5000
	// inTheAir is how many connections may be opened at a time: not more than a queue of them takes.
	inTheAir = 100
	// pace is how long a member of a crowd waits between two messages. Streams of events have one in 5 to 30 seconds.
	pace = 5 * time.Second
)

// crowd is many connections with little traffic each: what one of them takes in memory, and what a message costs.
// Streams have no messages.
func crowd(port func(*ports) string, kind string) func(*measurement) ([]float64, error) {
	return func(m *measurement) (figures []float64, err error) {
		if err = m.wait(settle); err != nil { // what the start alone needed goes back
			return nil, err
		}
		empty, err := m.proc.anonymous()
		if err != nil {
			return nil, err
		}
		g, err := m.gathering(kind, port(&m.proxy.ports))
		if err != nil {
			return nil, err
		}
		defer func() {
			if err = errors.Join(err, g.end()); err != nil {
				figures = nil
			}
		}()
		if _, err = g.line(); err != nil { // all are there
			return nil, err
		}
		if err = m.wait(settle); err != nil {
			return nil, err
		}
		full, err := m.proc.anonymous()
		if err != nil {
			return nil, err
		}
		figures = []float64{(full - empty) / 1e3 / crowdSize}
		if kind == "streams" {
			return figures, g.count()
		}
		before, err := m.proc.cpu()
		if err != nil {
			return nil, err
		}
		if err = g.count(); err != nil {
			return nil, err
		}
		text, err := g.line()
		if err != nil {
			return nil, err
		}
		after, err := m.proc.cpu()
		if err != nil {
			return nil, err
		}
		n, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return nil, err
		}
		if want := crowdSize * float64(m.seconds) / pace.Seconds(); n < 0.8*want || n > 1.2*want {
			return nil, fmt.Errorf("%.0f messages in %d s, want %.0f", n, m.seconds, want)
		}
		return append(figures, (after-before).Seconds()*1e6/n), nil
	}
}

// gathering is the program of a crowd, on the processor of the load.
type gathering struct {
	cmd  *exec.Cmd
	stop context.CancelFunc
	to   io.WriteCloser
	from *bufio.Reader
	said bytes.Buffer
}

func (m *measurement) gathering(kind, address string) (*gathering, error) {
	ctx, cancel := context.WithTimeout(m.ctx, time.Duration(m.seconds)*time.Second+time.Minute)
	g := &gathering{stop: cancel}
	g.cmd = exec.CommandContext(ctx, "taskset", "-c", m.loadCPU, "env", "GOMAXPROCS=1", m.self, "role", "crowd",
		address, strconv.Itoa(m.seconds), kind)
	g.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	g.cmd.Stderr = &g.said
	var err error
	if g.to, err = g.cmd.StdinPipe(); err != nil {
		cancel()
		return nil, err
	}
	out, err := g.cmd.StdoutPipe()
	if err == nil {
		g.from = bufio.NewReader(out)
		err = g.cmd.Start()
	}
	if err != nil {
		cancel()
		return nil, err
	}
	return g, nil
}

// count has the program count the messages from now on.
func (g *gathering) count() error {
	_, err := io.WriteString(g.to, "\n")
	return err
}

// line is what the program says next.
func (g *gathering) line() (string, error) {
	text, err := g.from.ReadString('\n')
	if err != nil && text == "" { // the last one has no end
		return "", fmt.Errorf("%w: %s", err, g.said.String())
	}
	return strings.TrimSpace(text), nil
}

// end waits for the program, which ends on its own once it has counted.
func (g *gathering) end() error {
	defer g.stop()
	g.to.Close()
	if err := g.cmd.Wait(); err != nil {
		return fmt.Errorf("crowd: %w: %s", err, g.said.String())
	}
	return nil
}

// gather is that program. It says "ready" when all connections are open. From the next line of its input on it counts
// messages for so many seconds.
func gather(kind, address string, seconds int) (int64, error) {
	if kind == "streams" {
		return 0, openStreams(address)
	}
	member, ok := members[kind]
	if !ok {
		return 0, fmt.Errorf("there is no crowd of %s", kind)
	}
	var messages atomic.Int64
	failed := make(chan error, crowdSize)
	opened := make(chan struct{})
	for i := range crowdSize + inTheAir {
		if i >= inTheAir {
			select {
			case err := <-failed:
				return 0, err
			case <-opened:
			}
		}
		if i >= crowdSize {
			continue
		}
		go func() {
			c, err := net.Dial("tcp", address)
			if err == nil {
				err = member(c, bufio.NewReaderSize(c, 1024), func() { opened <- struct{}{} }, &messages)
			}
			failed <- err
		}()
	}
	ready()
	began := messages.Load()
	select {
	case err := <-failed:
		return 0, err
	case <-time.After(time.Duration(seconds) * time.Second):
	}
	return messages.Load() - began, nil
}

// ready says that all is open, and waits until it is to be counted.
func ready() {
	fmt.Println("ready")
	_, _ = bufio.NewReader(os.Stdin).ReadString('\n')
}

// members are what one of a crowd does on its connection. It calls opened after the first message.
var members = map[string]func(c net.Conn, b *bufio.Reader, opened func(), messages *atomic.Int64) error{
	"sockets": func(c net.Conn, b *bufio.Reader, opened func(), messages *atomic.Int64) error {
		if err := upgrade(c, b); err != nil {
			return err
		}
		p := make([]byte, 64)
		return talk(opened, messages, func() error {
			if _, err := c.Write(p); err != nil {
				return err
			}
			_, err := io.ReadFull(b, p)
			return err
		})
	},
	"connections": func(c net.Conn, b *bufio.Reader, opened func(), messages *atomic.Int64) error {
		ask := []byte(request("/"))
		return talk(opened, messages, func() error {
			if _, err := c.Write(ask); err != nil {
				return err
			}
			resp, err := http.ReadResponse(b, nil)
			if err != nil {
				return err
			}
			_, err = io.Copy(io.Discard, resp.Body)
			return errors.Join(err, resp.Body.Close())
		})
	},
	"events": func(c net.Conn, b *bufio.Reader, opened func(), messages *atomic.Int64) error {
		if _, err := io.WriteString(c, request("/events")); err != nil {
			return err
		}
		resp, err := http.ReadResponse(b, nil)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		lines := bufio.NewScanner(resp.Body)
		lines.Buffer(make([]byte, 128), 128)
		for first := true; lines.Scan(); {
			if len(lines.Bytes()) > 0 {
				continue
			}
			if messages.Add(1); first {
				first = false
				opened()
			}
		}
		return errors.Join(errors.New("events ended"), lines.Err())
	},
}

// talk has messages with a pause between them, for ever.
func talk(opened func(), messages *atomic.Int64, message func() error) error {
	for wait := phase(); ; wait = pace {
		if err := message(); err != nil {
			return err
		}
		messages.Add(1)
		if opened != nil {
			opened()
			opened = nil
		}
		<-time.After(wait)
	}
}

// phase is how long a member waits after its first message, so that those of all members are spread over time.
func phase() time.Duration { return rand.N(pace) }

// openStreams has 100 requests wait on each of 50 HTTP/2 connections.
func openStreams(address string) error {
	const connections = 50
	failed := make(chan error, crowdSize)
	var asked sync.WaitGroup
	wrote := &httptrace.ClientTrace{WroteRequest: func(httptrace.WroteRequestInfo) { asked.Done() }}
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(true)
	for range connections {
		conn, err := transport.NewClientConn(context.Background(), "http", address)
		if err != nil {
			return err
		}
		for range crowdSize / connections {
			asked.Add(1)
			ctx := httptrace.WithClientTrace(context.Background(), wrote)
			ask, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/slow", http.NoBody)
			if err != nil {
				return err
			}
			go func() {
				resp, err := conn.RoundTrip(ask)
				if err == nil {
					resp.Body.Close()
					err = fmt.Errorf("a request that waits has a response: %s", resp.Status)
				}
				failed <- err
			}()
		}
		asked.Wait()
	}
	ready()
	select {
	case err := <-failed:
		return err
	default:
		return nil
	}
}
