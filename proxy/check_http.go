package proxy

import (
	"errors"
	"io"

	"github.com/fabian4/gateway-homebrew-go/internal/netio"
	"github.com/fabian4/gateway-homebrew-go/proxy/http1"
	"github.com/fabian4/gateway-homebrew-go/proxy/http2"
	"github.com/fabian4/gateway-homebrew-go/proxy/message"
)

// checkAgent is how a check introduces itself.
const checkAgent = "gateway-homebrew-go/health-check"

// askHTTP1 sends the check as an HTTP/1.1 request and returns the status of the answer, whose body is of no interest.
func (k *check) askHTTP1(c *netio.Conn, address string) (int, error) {
	defer func() { _ = c.Close() }() // an answer has come, or none will
	b := append([]byte("GET "), k.cfg.Path...)
	b = append(b, " HTTP/1.1\r\n"...)
	b = http1.AppendField(b, "Host", k.authority(address))
	b = http1.AppendField(b, "User-Agent", checkAgent)
	b = http1.AppendField(b, "Connection", "close")
	if _, err := c.Write(append(b, "\r\n"...)); err != nil {
		return 0, err
	}
	r := http1.NewReader(c, k.s.limits, nil, 0)
	defer r.Free()
	var h message.Head
	_, err := final(func() (*message.Head, error) {
		r.Done()
		return &h, r.ReadResponse(&h, false)
	})
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return h.Status, err
}

// askHTTP2 is askHTTP1 on an HTTP/2 connection.
func (k *check) askHTTP2(c *netio.Conn, address string) (int, error) {
	q := k.open2(c)
	defer q.close()
	h, err := q.send("GET", k.cfg.Path, k.authority(address), nil)
	if err != nil {
		return 0, err
	}
	return h.Status, nil
}

// exchange2 is the one exchange on an HTTP/2 connection of a check.
type exchange2 struct {
	k      *check
	client *http2.Client
	pipe   *http2.Pipe
	batch  http2.Batch
	stream *http2.Stream
}

func (k *check) open2(c *netio.Conn) *exchange2 {
	o := http2.Options{
		MaxHeaderBytes: k.s.limits.HeadBytes, MaxFields: k.s.limits.Fields, StreamWindow: mostChecked,
		ReadTimeout: k.cfg.Timeout, StallTimeout: k.cfg.Timeout,
	}
	return &exchange2{k: k, client: http2.NewClient(c, o), pipe: http2.NewPipe()}
}

// mostChecked is the flow-control window that an answer to a check gets, and more than one needs.
const mostChecked = 16 << 10

// send sends a request, with a body if there is one to a gRPC method, and returns the final head of the answer.
func (q *exchange2) send(method, path, authority string, body []byte) (*message.Head, error) {
	scheme := schemeHTTP
	if q.k.tls {
		scheme = schemeHTTPS
	}
	f := q.batch.Fields()
	f.Request([]byte(method), scheme, []byte(authority), []byte(path))
	f.Add([]byte("User-Agent"), []byte(checkAgent))
	if body != nil {
		f.Add([]byte("Content-Type"), []byte("application/grpc"))
		f.AddTETrailers()
	}
	var err error
	if q.stream, err = q.client.Open(&q.batch, f, body == nil, q.pipe.Receiver(), nil); err != nil {
		return nil, err
	}
	q.pipe.Attach(q.stream, false)
	if body != nil {
		if err := q.pipe.Write(&q.batch, body, true); err != nil {
			return nil, err
		}
	}
	q.batch.Flush()
	return final(func() (*message.Head, error) {
		h, _, err := q.pipe.Head()
		return h, err
	})
}

// close ends the connection and waits for its goroutine.
func (q *exchange2) close() {
	if q.stream != nil {
		q.pipe.Close()
	}
	q.client.Close()
	<-q.client.Done()
}
