package http2

import (
	"bytes"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	xhttp2 "golang.org/x/net/http2"

	"github.com/fabian4/gateway-homebrew-go/internal/netio"
	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
	"github.com/fabian4/gateway-homebrew-go/proxy/message"
)

// blocking serves each request in a goroutine of its own, as an exchange with an HTTP/1.1 upstream does.
type blocking struct {
	all   *sync.WaitGroup
	serve func(p *Pipe, h *message.Head)
}

func (k blocking) Request(_ *Batch, s *Stream, h *message.Head, end bool) Receiver {
	p := NewPipe()
	p.Attach(s, end)
	head := new(message.Head)
	CopyHead(head, h)
	k.all.Go(func() {
		defer p.Close()
		k.serve(p, head)
	})
	return p.Receiver()
}

// copyBack answers with the request's body and trailers.
func copyBack(p *Pipe, h *message.Head) {
	var b Batch
	defer b.Flush()
	f := b.Fields()
	f.Status(200)
	if big, ok := h.Find("x-big"); ok {
		f.Add([]byte("x-big"), big)
	}
	if p.stream().WriteHead(&b, f, false) != nil {
		return
	}
	for {
		data, err := p.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil || p.Write(&b, data, false) != nil {
			p.stream().Reset(&b, Cancel)
			return
		}
	}
	if tr := p.Trailers(); tr != nil {
		f := b.Fields()
		f.AddHead(tr, 0)
		_ = p.stream().WriteTrailers(&b, f)
		return
	}
	_ = p.Write(&b, nil, true)
}

func TestBlockingServerWithGoClient(t *testing.T) {
	testserver.Goroutines(t)
	var all sync.WaitGroup
	t.Cleanup(all.Wait)
	url := "http://" + serveOn(t, blocking{&all, copyBack}, Options{}) + "/echo"
	storm(t, url, nil)
}

// TestBlockingClientWithGoServer drives net/http's server from goroutines that wait: one uploads while the other reads.
func TestBlockingClientWithGoServer(t *testing.T) {
	testserver.Goroutines(t)
	nc, err := net.Dial("tcp", upstream(t))
	if err != nil {
		t.Fatal(err)
	}
	c := NewClient(netio.New(nc, newSweeper(t), 5*time.Second), Options{})
	t.Cleanup(func() { c.Close(); <-c.Done() })
	var all sync.WaitGroup
	for i := range 10 {
		all.Go(func() {
			body := bytes.Repeat([]byte{byte(i)}, 400_000*i)
			p := NewPipe()
			defer p.Close()
			f := new(Fields)
			f.Request([]byte("POST"), []byte("http"), []byte("up.example"), []byte("/echo"))
			s, err := c.Open(nil, f, false, p.Receiver())
			if err != nil {
				t.Error(err)
				return
			}
			p.Attach(s, false)
			var up sync.WaitGroup
			defer up.Wait()
			up.Go(func() {
				var b Batch
				defer b.Flush()
				if err := p.Write(&b, body, false); err != nil {
					t.Errorf("upload of %d bytes: %v", len(body), err)
				}
				tr := b.Fields()
				tr.Add([]byte("X-End"), []byte("!"))
				_ = s.WriteTrailers(&b, tr)
			})
			h, end, err := p.Head()
			if err != nil || end || h.Status != 200 {
				t.Errorf("head: %v, %v, %v", h, end, err)
				return
			}
			if host, _ := h.Find("x-host"); string(host) != "up.example" {
				t.Errorf("host %q", host)
			}
			got := 0
			for {
				data, err := p.Next()
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					t.Errorf("after %d of %d bytes: %v", got, len(body), err)
					return
				}
				got += len(data)
			}
			if got != len(body) || p.Trailers() == nil {
				t.Errorf("%d bytes, want %d; trailers %v", got, len(body), p.Trailers() != nil)
			}
		})
	}
	all.Wait()
}

// TestPipeWaits: what ends a wait, and what does not.
func TestPipeWaits(t *testing.T) {
	open := func(t *testing.T, o Options, s ...xhttp2.Setting) (*peer, *Client, *Pipe) {
		p, c := clientPeer(t, o, s...)
		p.Want("SETTINGS ack")
		p.write(p.WriteSettingsAck())
		pipe := NewPipe()
		st, err := c.Open(nil, request1("POST"), false, pipe.Receiver())
		if err != nil {
			t.Fatal(err)
		}
		pipe.Attach(st, false)
		p.Until("HEADERS")
		return p, c, pipe
	}
	t.Run("deadline", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p, _, pipe := open(t, Options{})
			began := time.Now()
			pipe.SetReadDeadline(p.sw.Now() + int64(3*time.Second))
			if _, _, err := pipe.Head(); !errors.Is(err, netio.ErrTimeout) {
				t.Errorf("Head: %v, want a timeout", err)
			}
			took(t, began, 3*time.Second)
			pipe.SetReadDeadline(p.sw.Now() + int64(3*time.Second))
			p.headers(1, false, ":status", "200")
			if h, _, err := pipe.Head(); err != nil || h.Status != 200 {
				t.Errorf("Head: %v", err)
			}
			<-time.After(5 * time.Second) // a time that passes while nobody waits does no harm
			pipe.SetReadDeadline(0)
			p.data(1, false, 3)
			if data, err := pipe.Next(); err != nil || len(data) != 3 {
				t.Errorf("Next: %d bytes, %v", len(data), err)
			}
		})
	})
	t.Run("interrupt", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p, _, pipe := open(t, Options{})
			time.AfterFunc(time.Second, pipe.Interrupt)
			if _, err := pipe.Next(); !errors.Is(err, netio.ErrInterrupted) {
				t.Errorf("Next: %v, want an interrupt", err)
			}
			p.headers(1, false, ":status", "200")
			p.data(1, true, 1)
			if data, err := pipe.Next(); err != nil || len(data) != 1 || !pipe.Ended() {
				t.Errorf("Next: %d bytes, %v", len(data), err)
			}
			if _, err := pipe.Next(); !errors.Is(err, io.EOF) {
				t.Errorf("Next: %v, want the end", err)
			}
		})
	})
	t.Run("reset", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p, _, pipe := open(t, Options{})
			p.headers(1, false, ":status", "200")
			p.data(1, false, 5)
			p.write(p.WriteRSTStream(1, xhttp2.ErrCodeInternal))
			synctest.Wait()
			if data, err := pipe.Next(); err != nil || len(data) != 5 {
				t.Errorf("Next: %d bytes, %v", len(data), err)
			}
			var re *ResetError
			if _, err := pipe.Next(); !errors.As(err, &re) || re.Code != InternalError || !errors.Is(err, ErrReset) {
				t.Errorf("Next: %v, want the reset", err)
			}
			if err := pipe.Write(nil, []byte("x"), true); !errors.Is(err, ErrReset) {
				t.Errorf("Write: %v, want the reset", err)
			}
		})
	})
	t.Run("stalled write", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p, _, pipe := open(t, Options{StallTimeout: 4 * time.Second},
				xhttp2.Setting{ID: xhttp2.SettingInitialWindowSize, Val: 100})
			began := time.Now()
			go func() {
				p.Want("DATA 1 100")
				<-time.After(3 * time.Second)
				p.write(p.WriteWindowUpdate(1, 50))
				p.Want("DATA 1 50")
				p.Want("RST 1 CANCEL")
			}()
			if err := pipe.Write(nil, make([]byte, 200), true); !errors.Is(err, ErrStalled) {
				t.Errorf("Write: %v, want a stall", err)
			}
			took(t, began, 7*time.Second)
			synctest.Wait()
		})
	})
	t.Run("window given back as it is read", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p, _, pipe := open(t, Options{StreamWindow: 1000})
			p.headers(1, false, ":status", "200")
			p.data(1, false, 1000)
			synctest.Wait()
			if data, err := pipe.Next(); err != nil || len(data) != 1000 {
				t.Fatalf("Next: %d bytes, %v", len(data), err)
			}
			frames := make(chan string, 1)
			go func() { frames <- p.Until("WINDOW") }()
			synctest.Wait()
			select {
			case f := <-frames:
				t.Fatalf("%q before the bytes were passed on", f)
			default:
			}
			pipe.SetReadDeadline(p.sw.Now() + 1)
			_, _ = pipe.Next()
			if f := <-frames; f != "WINDOW 1 1000" {
				t.Errorf("frame %q", f)
			}
		})
	})
}

// A head may come while another goroutine writes. Only the race detector can tell when that goes wrong.
func TestPipeHeadDuringWrite(t *testing.T) {
	s := &Stream{c: &Conn{end: ending{state: connEnding}}}
	p := NewPipe()
	p.Attach(s, false)
	p.Receiver().Writable(nil, s)
	s.c.mu.Lock() // stops the write where it enters the stream
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = p.Write(nil, []byte("x"), false)
	}()
	testserver.WaitFor(t, patience, "the write to begin", func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return !p.writable
	})
	p.Receiver().Head(nil, s, &message.Head{Status: 200}, false)
	s.c.mu.Unlock()
	<-done
}

// lockHeld fails the test when it is interrupted while the pipe's lock is free. Then Watch could return in between,
// and what it had named be somebody else's already.
type lockHeld struct {
	t *testing.T
	p *Pipe
	n int
}

func (l *lockHeld) Interrupt() {
	l.n++
	if l.p.mu.TryLock() {
		l.p.mu.Unlock() // +checklocksignore: TryLock is not known to tools/locks
		l.t.Error("interrupted without the lock of the pipe")
	}
}

func TestPipeInterruptsUnderItsLock(t *testing.T) {
	p := NewPipe()
	l := &lockHeld{t: t, p: p}
	p.Watch(l)
	p.Receiver().Reset(nil, nil, Cancel, ErrReset)
	p.Watch(nil)
	p.Watch(l)
	if l.n != 2 {
		t.Errorf("%d interrupts, want 2", l.n)
	}
}

// woken counts interrupts.
type woken int

func (w *woken) Interrupt() { *w++ }

// Who waits elsewhere hears of a stream that ends early, once, and only as long as he wants to.
func TestPipeWatch(t *testing.T) {
	var first, second, late woken
	p := NewPipe()
	p.Watch(&first)
	p.Watch(&second)
	p.Receiver().Reset(nil, nil, Cancel, ErrReset)
	if first != 0 || second != 1 {
		t.Errorf("interrupts: %d of the one before, %d of the one that watches; want 0 and 1", first, second)
	}
	p.Watch(&late)
	p.Watch(nil)
	if late != 1 {
		t.Errorf("%d interrupts of one that came late, want 1", late)
	}
}
