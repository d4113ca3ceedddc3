package http2

import (
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	xhttp2 "golang.org/x/net/http2"
)

// TestFloods: whoever only makes work is cut off, with the right code and counted, and holds no memory that grows with
// it.
func TestFloods(t *testing.T) {
	many := func(f func(p *peer, i int)) func(*peer) {
		return func(p *peer) {
			for i := range 100_000 {
				if _, err := p.nc.Write(nil); err != nil {
					return
				}
				f(p, i)
			}
		}
	}
	for _, row := range []struct {
		name  string
		send  func(*peer)
		limit Limit
	}{
		{"ping", many(func(p *peer, _ int) { p.write(p.WritePing(false, [8]byte{})) }), LimitControl},
		{"settings", many(func(p *peer, _ int) { p.write(p.WriteSettings()) }), LimitControl},
		{"priority", many(func(p *peer, i int) {
			p.write(p.WritePriority(uint32(2*i+1), xhttp2.PriorityParam{Weight: 1}))
		}), LimitControl},
		{"window updates", many(func(p *peer, _ int) { p.write(p.WriteWindowUpdate(0, 1)) }), LimitControl},
		{"unknown frames", many(func(p *peer, _ int) { p.write(p.WriteRawFrame(0x77, 0, 0, nil)) }), LimitControl},
		{"resets of a stream that is gone", func(p *peer) {
			p.headers(1, true, get...)
			many(func(p *peer, _ int) { p.write(p.WriteRSTStream(1, 8)) })(p)
		}, LimitControl},
		{"empty data", func(p *peer) {
			p.headers(1, false, post...)
			many(func(p *peer, _ int) { p.data(1, false, 0) })(p)
		}, LimitControl},
		{"padding only", func(p *peer) {
			p.headers(1, false, post...)
			many(func(p *peer, _ int) { p.write(p.WriteDataPadded(1, false, nil, make([]byte, 10))) })(p)
		}, LimitControl},
		{"rapid reset", many(func(p *peer, i int) {
			p.headers(uint32(2*i+1), false, post...)
			p.write(p.WriteRSTStream(uint32(2*i+1), xhttp2.ErrCodeCancel))
		}), LimitResets},
		{"reset of answered requests", many(func(p *peer, i int) { // the answers wait for a window that is closed
			if i == 0 {
				p.write(p.WriteSettings(xhttp2.Setting{ID: xhttp2.SettingInitialWindowSize, Val: 0}))
			}
			p.headers(uint32(2*i+1), true, get...)
			p.write(p.WriteRSTStream(uint32(2*i+1), xhttp2.ErrCodeCancel))
		}), LimitResets},
		{"made you reset, by window", many(func(p *peer, i int) {
			p.headers(uint32(2*i+1), false, post...)
			p.write(p.WriteWindowUpdate(uint32(2*i+1), 0))
		}), LimitResets},
		{"made you reset, by priority", many(func(p *peer, i int) {
			p.headers(uint32(2*i+1), false, post...)
			p.write(p.WriteRawFrame(xhttp2.FramePriority, 0, uint32(2*i+1), make([]byte, 4)))
		}), LimitResets},
		{"malformed requests", many(func(p *peer, i int) {
			p.headers(uint32(2*i+1), true, with(get, "connection", "close")...)
		}), LimitResets},
		{"refused streams", func(p *peer) {
			p.write(p.WriteSettingsAck())
			many(func(p *peer, i int) { p.headers(uint32(2*i+1), false, post...) })(p)
		}, LimitResets},
		{"continuations", func(p *peer) {
			p.write(p.WriteHeaders(xhttp2.HeadersFrameParam{StreamID: 1, BlockFragment: p.Block(get...)}))
			many(func(p *peer, _ int) { p.write(p.WriteContinuation(1, false, nil)) })(p)
		}, LimitContinuation},
		{"long continuations", func(p *peer) {
			block := p.Block(with(get, "x", strings.Repeat("~", 16_000))...)
			p.write(p.WriteHeaders(xhttp2.HeadersFrameParam{StreamID: 1, BlockFragment: block}))
			many(func(p *peer, _ int) {
				p.write(p.WriteContinuation(1, false, p.Block("y", strings.Repeat("~", 16_000))))
			})(p)
		}, LimitContinuation},
		// one large entry, referred to again and again: each stream is refused, and then it is enough
		{"bombs", func(p *peer) {
			bomb := strings.Split(strings.Repeat("bomb,"+strings.Repeat("b", 4000)+",", 2000), ",")
			many(func(p *peer, i int) { p.headers(uint32(2*i+1), true, bomb[:4000]...) })(p)
		}, LimitResets},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, srv, ended := serverPeer(t, sink{}, Options{MaxStreams: 50})
				go row.send(p)
				go func() {
					for p.Line() != "end" {
					}
				}()
				if err := <-ended; !isConnError(err, EnhanceYourCalm) {
					t.Errorf("ended with %v, want ENHANCE_YOUR_CALM", err)
				}
				if p.hits.of(row.limit) == 0 {
					t.Errorf("limit %v was not counted", row.limit)
				}
				if n := srv.active(); n != 0 {
					t.Errorf("%d streams are left", n)
				}
			})
		})
	}
}

// TestAnswersPileUp: a peer that asks and does not read is cut off before much is held for it.
func TestAnswersPileUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _, ended := serverPeer(t, echo{}, Options{MaxHeaderBytes: 64 << 10})
		big := with(get, "x-big", strings.Repeat("~", 15_000))
		go func() {
			for i := range 200 {
				p.headers(uint32(2*i+1), true, big...)
			}
		}()
		if err := <-ended; !isConnError(err, EnhanceYourCalm) || p.hits.of(LimitOutput) != 1 {
			t.Errorf("ended with %v, limit counted %d times", err, p.hits.of(LimitOutput))
		}
	})
}

// TestHonestPeersAreServed: what busy but honest clients do is no flood.
func TestHonestPeersAreServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, srv, _ := serverPeer(t, echo{}, Options{})
		p.write(p.WriteSettingsAck())
		drained, responses := make(chan struct{}), make(chan struct{}, 3000)
		go func() {
			defer close(drained)
			for line := ""; line != "end"; line = p.Line() {
				if strings.HasSuffix(line, " end") {
					responses <- struct{}{}
				}
			}
		}()
		id := uint32(1)
		for i := range 3000 {
			if i >= 50 { // a client that does not read the responses is another matter
				<-responses
			}
			p.headers(id, true, get...)
			p.write(p.WritePing(false, [8]byte{}))
			p.write(p.WriteWindowUpdate(0, 5))
			if id%8 == 1 { // one in four is cancelled
				p.headers(id+2, false, post...)
				p.write(p.WriteRSTStream(id+2, xhttp2.ErrCodeCancel))
				id += 2
			}
			id += 2
		}
		for range 20 { // bursts of cancelled calls, with time between them
			for range 50 {
				p.headers(id, false, post...)
				p.write(p.WriteRSTStream(id, xhttp2.ErrCodeCancel))
				id += 2
			}
			<-time.After(time.Second)
		}
		synctest.Wait()
		srv.mu.Lock()
		err := srv.end.err
		srv.mu.Unlock()
		if err != nil || p.hits.of(LimitResets)+p.hits.of(LimitControl) != 0 {
			t.Errorf("connection ended with %v", err)
		}
		p.nc.Close()
		<-drained
	})
}

// TestLateWindowUpdates: a client that first takes much data, and reads it later, gives the windows back in many frames
// that come at once. That is no flood; as many again, which no data is behind, are one.
func TestLateWindowUpdates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const streams, size, piece = 4, 8 << 20, 4 << 10
		p, _, ended := serverPeer(t, &source{bytes: size}, Options{})
		p.write(p.WriteSettingsAck())
		p.write(p.WriteSettings(xhttp2.Setting{ID: xhttp2.SettingInitialWindowSize, Val: 2 * size}))
		p.write(p.WriteWindowUpdate(0, 2*streams*size))
		for i := range uint32(streams) {
			p.headers(2*i+1, true, get...)
			for line := ""; !strings.HasSuffix(line, " end"); line = p.Line() {
			}
		}
		late := func() {
			for i := range uint32(streams) {
				for range size / piece {
					p.write(p.WriteWindowUpdate(2*i+1, piece))
					p.write(p.WriteWindowUpdate(0, piece))
				}
			}
			p.write(p.WritePing(false, [8]byte{1}))
		}
		var writer sync.WaitGroup
		writer.Go(late)
		if line := p.Until("PING"); line == "end" {
			t.Fatalf("the connection ended with %v", <-ended)
		}
		writer.Wait() // the frames have one writer at a time
		writer.Go(late)
		if p.Until("PING", "GOAWAY"); !isConnError(<-ended, EnhanceYourCalm) {
			t.Error("updates without data were taken")
		}
	})
}

// TestMemoryOfASlowReader: what is held for a client that does not read is bounded by windows, not by what the upstream
// could send.
func TestMemoryOfASlowReader(t *testing.T) {
	const conns, perConn = 20, 5
	var before, during runtime.MemStats
	src := &source{bytes: 64 << 20}
	o := Options{StreamWindow: 64 << 10}
	g := &gateway{t: t, sw: newSweeper(t), addr: serveOn(t, src, Options{}), o: o}
	t.Cleanup(g.close)
	front := serveOn(t, g, o)
	runtime.GC()
	runtime.ReadMemStats(&before)
	for range conns {
		nc := dial(t, front)
		out := append([]byte(Preface), appendSettings(nil, setting{settingInitialWindowSize, 1 << 30})...)
		out = appendWindowUpdate(out, 0, 1<<30)
		enc := encodeBlock(get...)
		for i := range uint32(perConn) {
			out = append(appendFrame(out, frame{uint32(len(enc)), frameHeaders, flagEndHeaders | flagEndStream,
				2*i + 1}), enc...)
		}
		if _, err := nc.Write(out); err != nil {
			t.Fatal(err)
		}
	}
	// Settled when what the upstream has sent does not grow any more.
	var last int64 = -1
	for n := int64(0); n != last; n = src.sent.Load() {
		last = n
		timer := time.NewTimer(300 * time.Millisecond)
		<-timer.C
	}
	runtime.GC()
	runtime.ReadMemStats(&during)
	held := int64(during.HeapAlloc) - int64(before.HeapAlloc)
	// A stream's window for each answer, in a buffer of up to twice that, and two bulk buffers a connection to write
	// from.
	if limit := int64(conns*perConn*2*64<<10 + conns*2*64<<10 + 2<<20); held > limit {
		t.Errorf("%d KiB are held for %d slow readers, want at most %d", held>>10, conns, limit>>10)
	}
	t.Logf("%d KiB are held for %d slow readers of %d MiB each", held>>10, conns, perConn*64)
}
