package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"
)

// scenario is one thing that is measured, the same for all proxies.
type scenario struct {
	name   string
	log    bool // with an access log
	stream bool // needs a proxy that can forward TCP
	rows   []rowKind
	// take returns a figure for each row.
	take func(*measurement) ([]float64, error)
}

// rowKind is what one figure of a scenario means. Less is better for all of them.
type rowKind struct {
	title, unit string
	published   string // what others publish of themselves
}

const (
	perRequest    = "µs of CPU a request"
	perConnection = "KB a connection"
)

// kilobyte is the body of requests and responses of the scenario that others publish.
var kilobyte = strings.Repeat("0123456789abcdef", 64)

// scenarios are in the order of the table. The number of clients is what keeps the proxy's processor busy.
var scenarios = []*scenario{
	loaded("h1", "HTTP/1.1", wrk(64, "http", h1, "/")),
	{name: "h1log", log: true, rows: cpuOf("HTTP/1.1 with a JSON access log"),
		take: cpuPerRequest(wrk(64, "http", h1, "/"))},
	loaded("tls", "TLS, HTTP/1.1", wrk(64, "https", tlsPort, "/")),
	loaded("h2", "TLS, HTTP/2 to HTTP/1.1", h2load(tlsPort, "https", "/", "-c", "32", "-m", "10")),
	loaded("grpc", "gRPC, h2c on both sides", calls("/echo.Echo/Say")),
	loaded("grpcpieces", "gRPC, an endpoint that writes responses in pieces", calls("/http.Echo/Say")),
	{name: "l4", stream: true, rows: cpuOf("TCP, small messages"),
		take: cpuPerRequest(wrk(64, "http", func(p *ports) string { return p.L4 }, "/"))},
	{name: "bulk", stream: true, rows: []rowKind{{title: "TCP, bulk", unit: "ms of CPU a GB"}}, take: bulk},
	loaded("newconn", "A connection for each request", wrk(16, "http", h1, "/", "-H", "Connection: close")),
	loaded("handshake", "A TLS connection for each request", role(tlsPort, "handshakes", "full")),
	loaded("resumed", "A resumed TLS connection for each request", role(tlsPort, "handshakes", "resumed")),
	loaded("ws", "WebSocket, 64-byte messages there and back", role(h1, "tunnels")),
	loaded("body64k", "Response of 64 KiB", wrk(16, "http", h1, "/big/65536")),
	loaded("body1m", "Response of 1 MiB", wrk(16, "http", h1, "/big/1048576")),
	loaded("upload1m", "Request of 1 MiB", role(h1, "uploads")),
	{name: "idle", rows: memoryOf("Idle connection"), take: memoryPerConnection(5000, false, "/", true)},
	{name: "idletls", rows: memoryOf("Idle TLS connection"), take: memoryPerConnection(2000, true, "/", true)},
	{name: "held", rows: memoryOf("Request that waits for its endpoint"),
		take: memoryPerConnection(2000, false, "/slow", false)},
	{name: "sockets", take: crowd(h1, "sockets"),
		rows: crowdOf("WebSocket", "a message there and back every five seconds")},
	{name: "events", take: crowd(h1, "events"), rows: crowdOf("Event stream", "an event every five seconds")},
	{name: "connections", stream: true, take: crowd(func(p *ports) string { return p.L4 }, "connections"),
		rows: crowdOf("TCP connection", "a message there and back every five seconds")},
	{name: "streams", take: crowd(h2c, "streams"),
		rows: []rowKind{{title: "HTTP/2 stream that waits for its endpoint, one of 5,000", unit: "KB a stream"}}},
	{name: "start", take: started, rows: []rowKind{
		{title: "Start to the first response", unit: "ms"},
		{title: "Memory after the start", unit: "MB"},
	}},
	{name: "sidecar", rows: []rowKind{
		{"1,000 requests/s of 1 KB, TLS in front, mTLS behind", "vCPU",
			"Istio 1.24 publishes 0.20 for its sidecar (Envoy, two workers), 0.06 for ztunnel (TCP)"},
		{"The same", "MB", "Istio 1.24 publishes 60 for its sidecar (Envoy, two workers), 12 for ztunnel (TCP)"},
	}, take: sidecar},
}

// calls is load of gRPC.
func calls(path string) load {
	return h2load(h2c, "http", path, "-c", "8", "-m", "20", "-d", "message",
		"-H", "content-type: application/grpc", "-H", "te: trailers")
}

func h1(p *ports) string      { return p.H1 }
func h2c(p *ports) string     { return p.H2C }
func tlsPort(p *ports) string { return p.TLS }

func cpuOf(title string) []rowKind    { return []rowKind{{title: title, unit: perRequest}} }
func memoryOf(title string) []rowKind { return []rowKind{{title: title, unit: perConnection}} }

// crowdOf is what one of many connections with little traffic takes, and what its traffic costs.
func crowdOf(title, traffic string) []rowKind {
	return []rowKind{
		{title: title + ", one of 5,000 with " + traffic, unit: perConnection},
		{title: "The same", unit: "µs of CPU a message"},
	}
}

func loaded(name, title string, l load) *scenario {
	return &scenario{name: name, rows: cpuOf(title), take: cpuPerRequest(l)}
}

// measurement is one figure being taken: a proxy that has just started.
type measurement struct {
	*field
	proxy   *proxy
	proc    *process
	seconds int           // to count for
	started time.Duration // until the first response
}

// cpuPerRequest warms the proxy up, and counts its time on a processor against the requests it has served.
func cpuPerRequest(l load) func(*measurement) ([]float64, error) {
	return func(m *measurement) ([]float64, error) {
		if _, err := l(m, 1); err != nil {
			return nil, err
		}
		before, err := m.proc.cpu()
		if err != nil {
			return nil, err
		}
		n, err := l(m, m.seconds)
		if err == nil && n == 0 {
			err = errors.New("nothing was served")
		}
		if err != nil {
			return nil, err
		}
		after, err := m.proc.cpu()
		return []float64{(after - before).Seconds() * 1e6 / n}, err
	}
}

// bulk counts the proxy's time on a processor against the bytes of one connection.
func bulk(m *measurement) ([]float64, error) {
	figures, err := cpuPerRequest(role(func(p *ports) string { return p.Bulk }, "bulk"))(m)
	if err != nil {
		return nil, err
	}
	return []float64{figures[0] / 1e3 * 1e9}, nil // from µs a byte
}

func started(m *measurement) ([]float64, error) {
	bytes, err := m.proc.memory()
	return []float64{m.started.Seconds() * 1e3, bytes / 1e6}, err
}

// wait waits, unless the run is interrupted.
func (m *measurement) wait(d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-m.ctx.Done():
		return m.ctx.Err()
	}
}

// settle is how long a proxy has to give back what it does not need while its connections wait.
const settle = time.Second

// memoryPerConnection opens connections with a request each and compares the memory. If responses come, they are read.
func memoryPerConnection(n int, encrypted bool, path string, answered bool) func(*measurement) ([]float64, error) {
	return func(m *measurement) ([]float64, error) {
		if err := m.wait(settle); err != nil { // what the start alone needed goes back
			return nil, err
		}
		before, err := m.proc.anonymous()
		if err != nil {
			return nil, err
		}
		address := m.proxy.ports.H1
		if encrypted {
			address = m.proxy.ports.TLS
		}
		buf := make([]byte, 4096)
		for range n {
			c, err := net.Dial("tcp", address)
			if err != nil {
				return nil, err
			}
			defer c.Close()
			if encrypted {
				c = tls.Client(c, clientTLS(nil))
			}
			if _, err = c.Write([]byte(request(path))); err != nil {
				return nil, err
			}
			if answered {
				if _, err = c.Read(buf); err != nil {
					return nil, err
				}
			}
		}
		if err = m.wait(settle); err != nil {
			return nil, err
		}
		after, err := m.proc.anonymous()
		return []float64{(after - before) / 1e3 / float64(n)}, err
	}
}

// sidecar is what meshes publish of themselves: 1,000 requests a second with bodies of 1 KB both ways, TLS in front and
// mTLS behind. The handshakes are over when it starts to count.
func sidecar(m *measurement) ([]float64, error) {
	const clients, rate, early, late = 20, 1000, 1, 1
	type end struct {
		n   float64
		err error
	}
	seconds := early + m.seconds + late
	ended := make(chan end, 1)
	go func() {
		n, err := h2load(func(p *ports) string { return p.MTLS }, "https", "/mtls", "--h1", "-c", fmt.Sprint(clients),
			"--rps", fmt.Sprint(rate/clients), "-d", "kilobyte")(m, seconds)
		ended <- end{n, err}
	}()
	if err := m.wait(early * time.Second); err != nil {
		return nil, err
	}
	began := time.Now()
	before, err := m.proc.cpu()
	if err != nil {
		return nil, err
	}
	if err = m.wait(time.Duration(m.seconds) * time.Second); err != nil {
		return nil, err
	}
	after, err := m.proc.cpu()
	if err != nil {
		return nil, err
	}
	share := (after - before).Seconds() / time.Since(began).Seconds()
	bytes, err := m.proc.memory()
	if err != nil {
		return nil, err
	}
	load := <-ended
	if load.err != nil {
		return nil, load.err
	}
	if got := load.n / float64(seconds); got < rate*0.95 || got > rate*1.05 {
		return nil, fmt.Errorf("%.0f requests a second, want %d", got, rate)
	}
	return []float64{share, bytes / 1e6}, nil
}
