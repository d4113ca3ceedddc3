package http2

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"runtime"
	"syscall"
	"testing"

	"golang.org/x/net/http2/hpack"
)

// rawUnary encodes a call of a message of 100 bytes.
func rawUnary(fields [2][]hpack.HeaderField) (first, again [][]byte) {
	var buf bytes.Buffer
	enc := hpack.NewEncoder(&buf)
	block := func(list []hpack.HeaderField) []byte {
		buf.Reset()
		for _, f := range list {
			_ = enc.WriteField(f)
		}
		return bytes.Clone(buf.Bytes())
	}
	for range 2 {
		first, again = again, [][]byte{block(fields[0]), block(fields[1])}
	}
	return first, again
}

var callFields = [2][]hpack.HeaderField{{
	{Name: ":method", Value: "POST"}, {Name: ":scheme", Value: "http"}, {Name: ":path", Value: "/echo.Echo/Unary"},
	{Name: ":authority", Value: "echo.example.com:8080"}, {Name: "content-type", Value: "application/grpc"},
	{Name: "user-agent", Value: "grpc-go/1.70.0"}, {Name: "te", Value: "trailers"}, {Name: "x-tenant", Value: "blue"},
}, nil}

var answerFields = [2][]hpack.HeaderField{
	{{Name: ":status", Value: "200"}, {Name: "content-type", Value: "application/grpc"},
		{Name: "x-served-by", Value: "pod-1"}},
	{{Name: "grpc-status", Value: "0"}, {Name: "grpc-message", Value: ""}},
}

// appendCall appends a whole message: head, 105 bytes of data and, if there are any, trailers.
func appendCall(dst []byte, id uint32, blocks [][]byte) []byte {
	dst = append(appendFrame(dst, frame{uint32(len(blocks[0])), frameHeaders, flagEndHeaders, id}), blocks[0]...)
	f := frame{105, frameData, 0, id}
	if len(blocks[1]) == 0 {
		f.flags = flagEndStream
	}
	dst = append(appendFrame(dst, f), make([]byte, 105)...)
	if len(blocks[1]) > 0 {
		dst = append(appendFrame(dst, frame{uint32(len(blocks[1])), frameHeaders, flagEndHeaders | flagEndStream, id}),
			blocks[1]...)
	}
	return dst
}

// frames calls f for every frame that comes, and after each read. It keeps the peer's windows open.
func frames(nc net.Conn, f func(frame), read func() error) error {
	buf := make([]byte, 256<<10)
	held := 0
	for {
		n, err := nc.Read(buf[held:])
		if err != nil {
			return err
		}
		held += n
		b := buf[:held]
		for len(b) >= frameHeaderLen {
			fr := parseFrame(b)
			if len(b) < frameHeaderLen+int(fr.length) {
				break
			}
			f(fr)
			b = b[frameHeaderLen+int(fr.length):]
		}
		held = copy(buf, b)
		if err := read(); err != nil {
			return err
		}
	}
}

// backend answers every stream that ends, with bytes made beforehand.
func backend(nc net.Conn) error {
	first, again := rawUnary(answerFields)
	out := appendSettings(nil, setting{settingMaxConcurrentStreams, 1000}, setting{settingInitialWindowSize, 1 << 30})
	out = appendWindowUpdate(out, 0, 1<<30)
	if _, err := io.ReadFull(nc, make([]byte, len(Preface))); err != nil {
		return err
	}
	got := 0
	return frames(nc, func(f frame) {
		switch {
		case f.typ == frameSettings && !f.has(flagAck):
			out = appendFrame(out, frame{0, frameSettings, flagAck, 0})
		case f.typ == frameData:
			if got += int(f.length); got > 1<<19 {
				out = appendWindowUpdate(out, 0, got)
				got = 0
			}
		}
		if f.typ <= frameHeaders && f.has(flagEndStream) {
			out = appendCall(out, f.stream, first)
			first = again
		}
	}, func() error {
		_, err := nc.Write(out)
		out = out[:0]
		return err
	})
}

// benchRelay passes b.N calls through a relay, over so many client connections with so many streams each at a time. CPU
// time is that of the whole process, the load included.
func benchRelay(b *testing.B, conns, streams int) {
	addr := listen(b, func(nc net.Conn) { _ = backend(nc) })
	g := &gateway{t: b, sw: newSweeper(b), addr: addr}
	b.Cleanup(g.close)
	for g.client().freePlaces() <= minStreams { // the backend's SETTINGS are on their way
		runtime.Gosched()
	}
	front := serveOn(b, g, Options{MaxStreams: 1000})
	work := make([]int, conns)
	for i := range work {
		work[i] = b.N / conns
	}
	work[0] += b.N % conns
	done := make(chan error, conns)
	b.ReportAllocs()
	cpu := cpuTime()
	b.ResetTimer()
	for _, n := range work {
		go func() { done <- load(front, n, streams) }()
	}
	for range work {
		if err := <-done; err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	b.ReportMetric(float64(cpuTime()-cpu)/float64(b.N), "cpu-ns/op")
}

// load makes n calls on one connection.
func load(addr string, n, streams int) error {
	if n == 0 {
		return nil
	}
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer nc.Close()
	first, again := rawUnary(callFields)
	out := append([]byte(Preface), appendSettings(nil, setting{settingInitialWindowSize, 1 << 30})...)
	out = appendWindowUpdate(out, 0, 1<<30)
	id, left, open, got := uint32(1), n, 0, 0
	send := func() {
		for left > 0 && open < streams {
			out = appendCall(out, id, first)
			first = again
			id += 2
			left--
			open++
		}
	}
	send()
	if _, err := nc.Write(out); err != nil {
		return err
	}
	out = out[:0]
	finished := 0
	err = frames(nc, func(f frame) {
		switch f.typ {
		case frameRSTStream, frameGoAway:
			finished = -n - 1
		case frameData:
			if got += int(f.length); got > 1<<19 {
				out = appendWindowUpdate(out, 0, got)
				got = 0
			}
		case frameSettings:
			if !f.has(flagAck) {
				out = appendFrame(out, frame{0, frameSettings, flagAck, 0})
			}
		}
		if f.typ <= frameHeaders && f.has(flagEndStream) {
			finished++
			open--
		}
	}, func() error {
		switch {
		case finished < 0:
			return fmt.Errorf("stream or connection was reset")
		case finished == n:
			return io.EOF
		}
		send()
		_, err := nc.Write(out)
		out = out[:0]
		return err
	})
	if finished != n {
		return err
	}
	return nil
}

// cpuTime is what the process has used so far, in nanoseconds.
func cpuTime() int64 {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return u.Utime.Nano() + u.Stime.Nano()
}

func BenchmarkRelay(b *testing.B) {
	for _, row := range []struct{ conns, streams int }{{8, 20}, {1, 100}, {64, 1}} {
		b.Run(fmt.Sprintf("%dx%d", row.conns, row.streams),
			func(b *testing.B) { benchRelay(b, row.conns, row.streams) })
	}
}

// TestRelayAllocations holds the price of one proxied request in allocations.
func TestRelayAllocations(t *testing.T) {
	if testing.Short() {
		t.Skip("a benchmark")
	}
	r := testing.Benchmark(func(b *testing.B) { benchRelay(b, 4, 10) })
	if a := r.AllocsPerOp(); a > 8 {
		t.Errorf("%d allocations a request, want at most 8 (%s %s)", a, r, r.MemString())
	} else {
		t.Log(r, r.MemString())
	}
}

// encodeBlock is a header block by the reference encoder.
func encodeBlock(fields ...string) []byte {
	var buf bytes.Buffer
	enc := hpack.NewEncoder(&buf)
	for i := 0; i < len(fields); i += 2 {
		_ = enc.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]})
	}
	return buf.Bytes()
}
