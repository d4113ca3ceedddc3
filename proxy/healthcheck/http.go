package healthcheck

import (
	"errors"
	"io"

	"github.com/fabian4/gateway-homebrew-go/internal/netio"
	"github.com/fabian4/gateway-homebrew-go/proxy/http1"
	"github.com/fabian4/gateway-homebrew-go/proxy/http2"
	"github.com/fabian4/gateway-homebrew-go/proxy/message"
)

// userAgent is how a check introduces itself.
const userAgent = "gateway-homebrew-go/health-check"

// askHTTP1 sends the check as an HTTP/1.1 request and judges the status of the response, whose body is of no interest.
func (a *asking) askHTTP1(c *netio.Conn) error {
	b := append([]byte("GET "), a.cfg.Path...)
	b = append(b, " HTTP/1.1\r\n"...)
	b = http1.AppendField(b, "Host", a.authority())
	b = http1.AppendField(b, "User-Agent", userAgent)
	b = http1.AppendField(b, "Connection", "close")
	if _, err := c.Write(append(b, "\r\n"...)); err != nil {
		return err
	}
	r := http1.NewReader(c, a.o.Limits, nil, 0)
	defer r.Free()
	var h message.Head
	_, err := final(func() (*message.Head, error) {
		r.Done()
		return &h, r.ReadResponse(&h, false)
	})
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	if err != nil {
		return err
	}
	return a.judge(h.Status)
}

// askHTTP2 is askHTTP1 on an HTTP/2 connection.
func (a *asking) askHTTP2(c *netio.Conn) error {
	x := a.open(c)
	defer x.close()
	h, err := x.send("GET", a.cfg.Path, nil)
	if err != nil {
		return err
	}
	return a.judge(h.Status)
}

// exchange is the one request on an HTTP/2 connection of a check.
type exchange struct {
	*asking
	client *http2.Client
	pipe   *http2.Pipe
	batch  http2.Batch
	stream *http2.Stream
}

func (a *asking) open(c *netio.Conn) *exchange {
	client := http2.NewClient(c, http2.Options{
		MaxHeaderBytes: a.o.Limits.HeadBytes, MaxFields: a.o.Limits.Fields, StreamWindow: windowBytes,
		ReadTimeout: a.cfg.Timeout, StallTimeout: a.cfg.Timeout, Panicked: a.panicked,
	})
	return &exchange{asking: a, client: client, pipe: http2.NewPipe()}
}

// windowBytes is the flow-control window of a response, and more than one needs.
const windowBytes = 16 << 10

// send sends a request, with a body if it is a call of gRPC, and returns the final head of the response.
func (x *exchange) send(method, path string, body []byte) (*message.Head, error) {
	scheme := "http"
	if x.tls {
		scheme = "https"
	}
	f := x.batch.Fields()
	f.Request([]byte(method), []byte(scheme), []byte(x.authority()), []byte(path))
	f.Add([]byte("User-Agent"), []byte(userAgent))
	if body != nil {
		f.Add([]byte("Content-Type"), []byte("application/grpc"))
		f.AddTETrailers()
	}
	var err error
	if x.stream, err = x.client.Open(&x.batch, f, body == nil, x.pipe.Receiver()); err != nil {
		return nil, err
	}
	x.pipe.Attach(x.stream, false)
	if body != nil {
		if err := x.pipe.Write(&x.batch, body, true); err != nil {
			return nil, err
		}
	}
	x.batch.Flush()
	return final(func() (*message.Head, error) {
		h, _, err := x.pipe.Head()
		return h, err
	})
}

// close ends the connection and waits for its goroutine.
func (x *exchange) close() {
	if x.stream != nil {
		x.pipe.Close()
	}
	x.client.Close()
	<-x.client.Done()
}
