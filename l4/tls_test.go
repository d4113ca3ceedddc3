package l4_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/testcert"
	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// sniServer is a TLS server of one name that sends its name to each client and then echoes.
func sniServer(t *testing.T, ca *testcert.CA, name string) string {
	t.Helper()
	return backend(t, tlsEcho(t, ca, name, nil))
}

func tlsEcho(t *testing.T, ca *testcert.CA, name string, edit func(*tls.Config)) func(*net.TCPConn) {
	t.Helper()
	pair := ca.Leaf(t, testcert.Leaf{DNS: []string{name}, IPs: []string{"127.0.0.1"}})
	cert, err := tls.X509KeyPair(pair.CertPEM, pair.KeyPEM)
	if err != nil {
		t.Fatal(err)
	}
	config := &tls.Config{Certificates: []tls.Certificate{cert}}
	if edit != nil {
		edit(config)
	}
	return func(c *net.TCPConn) {
		tc := tls.Server(c, config)
		if _, err := io.WriteString(tc, "this is "+name+"\n"); err != nil {
			return
		}
		_, _ = io.Copy(tc, tc)
		_ = tc.CloseWrite()
	}
}

const sniDocument = `
listeners:
  - name: in
    address: 127.0.0.1:0
    protocol: tls
    sni: [{host: a.example.com, cluster: a}, {host: "*.example.com", cluster: wild}%s]
clusters:
  - {name: a, endpoints: ["%s"]}
  - {name: wild, endpoints: ["%s"]}
  - {name: other, endpoints: ["%s"]}
`

// A client that is not Go's, for each route; also with a post-quantum key and with a hello cut into small records.
func TestSNI(t *testing.T) {
	ca := testcert.NewCA(t, "root")
	a, wild, other := sniServer(t, ca, "a.example.com"), sniServer(t, ca, "b.example.com"),
		sniServer(t, ca, "other.org")
	g := start(t, fmt.Sprintf(sniDocument, `, {host: "*", cluster: other}`, a, wild, other))
	openssl := testserver.Binary(t, "openssl")
	n := 0
	for _, row := range []struct {
		args []string
		want string
		host string
	}{
		{[]string{"-servername", "a.example.com"}, "a.example.com", "a.example.com"},
		{[]string{"-servername", "A.Example.COM"}, "a.example.com", "a.example.com"},
		{[]string{"-servername", "b.example.com"}, "b.example.com", "b.example.com"},
		{[]string{"-servername", "x.y.example.com"}, "b.example.com", "x.y.example.com"},
		{[]string{"-servername", "example.com"}, "other.org", "example.com"},
		{[]string{"-noservername"}, "other.org", ""},
		{[]string{"-servername", "a.example.com", "-tls1_2"}, "a.example.com", "a.example.com"},
		{[]string{"-servername", "a.example.com", "-alpn", strings.Repeat("x", 200) + ",h2"}, "a.example.com",
			"a.example.com"},
	} {
		t.Run(strings.Join(row.args[:min(2, len(row.args))], " "), func(t *testing.T) {
			args := append([]string{"s_client", "-quiet", "-connect", g.addr("in")}, row.args...)
			cmd := exec.CommandContext(t.Context(), openssl, args...)
			in, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			defer in.Close() // and with it ends openssl
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			var stderr bytes.Buffer
			cmd.Stderr = &stderr
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			expect(t, out, "this is "+row.want+"\n")
			send(t, in, "hello through openssl\n")
			expect(t, out, "hello through openssl\n")
			_ = cmd.Process.Kill() // s_client -quiet does not end with its input
			_ = cmd.Wait()
			n++
			if l := g.lines(n)[n-1]; l.Host != row.host {
				t.Errorf("host %q in the log, want %q", l.Host, row.host)
			}
		})
	}
}

// fragments writes in pieces, each in a segment of its own.
type fragments struct {
	*net.TCPConn
	size int
}

func (f fragments) Write(b []byte) (int, error) {
	for n := 0; n < len(b); n += f.size {
		if _, err := f.TCPConn.Write(b[n:min(n+f.size, len(b))]); err != nil {
			return n, err
		}
	}
	return len(b), nil
}

// Go's hello is post-quantum; here it comes in segments of few bytes.
func TestSNIFragmented(t *testing.T) {
	ca := testcert.NewCA(t, "root")
	a := sniServer(t, ca, "a.example.com")
	g := start(t, fmt.Sprintf(sniDocument, "", a, a, a))
	for _, size := range []int{1, 5, 600} {
		c := tls.Client(fragments{g.dial("in"), size}, &tls.Config{ServerName: "a.example.com", RootCAs: ca.Pool()})
		expect(t, c, "this is a.example.com\n")
		send(t, c, "hello")
		expect(t, c, "hello")
	}
}

// Names that nobody has, and what is no TLS at all, are refused and told apart.
func TestSNIRefused(t *testing.T) {
	ca := testcert.NewCA(t, "root")
	a := sniServer(t, ca, "a.example.com")
	g := start(t, fmt.Sprintf(sniDocument, "", a, a, a))
	err := tls.Client(g.dial("in"), &tls.Config{ServerName: "other.org"}).Handshake()
	if err == nil || !strings.Contains(err.Error(), "unrecognized name") {
		t.Errorf("handshake: %v", err)
	}
	if l := g.wantFlag(telemetry.NR); l.Host != "other.org" || l.Cluster != "" {
		t.Errorf("line %+v", l)
	}
	c := g.dial("in")
	send(t, c, "GET / HTTP/1.1\r\n\r\n")
	if b, _ := io.ReadAll(c); len(b) > 0 {
		t.Errorf("answered %q", b)
	}
	if l := g.lines(2)[1]; l.Flag != "DPE" {
		t.Errorf("flag %q", l.Flag)
	}
	g.dial("in").Close()
	if l := g.lines(3)[2]; l.Flag != "DC" {
		t.Errorf("flag %q of a client that said nothing", l.Flag)
	}
	c = g.dial("in") // records without end
	go func() {
		chunk := append([]byte("\x16\x03\x01\x00\x04"), "\x01\x00\xff\xff"...)
		for _, err := c.Write(chunk); err == nil; _, err = c.Write([]byte("\x16\x03\x01\x00\x01x")) {
		}
	}()
	_, _ = io.ReadAll(c)
	if l := g.lines(4)[3]; l.Flag != "DPE" {
		t.Errorf("flag %q", l.Flag)
	}
}

// TLS ends here and begins anew behind us, as listener and cluster say.
func TestTerminateAndOriginate(t *testing.T) {
	dir := t.TempDir()
	ca := testcert.NewCA(t, "root")
	caFile := ca.Write(t, dir, "ca")
	cert, key := ca.Leaf(t, testcert.Leaf{DNS: []string{"gw.example"}}).Write(t, dir, "gw")
	client := ca.Leaf(t, testcert.Leaf{URIs: []string{"spiffe://example/client"}})
	ours, oursKey := ca.Leaf(t, testcert.Leaf{DNS: []string{"sidecar"}}).Write(t, dir, "ours")
	clientPair, err := tls.X509KeyPair(client.CertPEM, client.KeyPEM)
	if err != nil {
		t.Fatal(err)
	}
	listenerTLS := fmt.Sprintf("tls: {certificates: [{cert_file: %s, key_file: %s}], client_ca_file: %s}", cert, key,
		caFile)
	clusterTLS := fmt.Sprintf("tls: {mode: mtls, ca_file: %s, cert_file: %s, key_file: %s, server_name: up.example}",
		caFile, ours, oursKey)
	plain := backend(t, echo)
	secret := backend(t, tlsEcho(t, ca, "up.example", func(c *tls.Config) {
		c.ClientAuth, c.ClientCAs = tls.RequireAndVerifyClientCert, ca.Pool()
	}))
	g := start(t, fmt.Sprintf(`
listeners:
  - {name: terminate, address: "127.0.0.1:0", protocol: tcp, cluster: plain, %s}
  - {name: originate, address: "127.0.0.1:0", protocol: tcp, cluster: secret}
  - {name: both, address: "127.0.0.1:0", protocol: tcp, cluster: secret, %s}
clusters:
  - {name: plain, endpoints: ["%s"]}
  - {name: secret, endpoints: ["%s"], %s}
`, listenerTLS, listenerTLS, plain, secret, clusterTLS))

	config := &tls.Config{ServerName: "gw.example", RootCAs: ca.Pool(), Certificates: []tls.Certificate{clientPair}}
	big := strings.Repeat("0123456789abcdef", 64<<10)
	for i, name := range []string{"terminate", "originate", "both"} {
		t.Run(name, func(t *testing.T) {
			socket := g.dial(name)
			var c interface {
				io.ReadWriter
				CloseWrite() error
			} = socket
			if name != "originate" {
				c = tls.Client(socket, config)
			}
			if name != "terminate" {
				expect(t, c, "this is up.example\n")
			}
			done := make(chan struct{})
			go func() {
				defer close(done)
				send(t, c, big)
				if err := c.CloseWrite(); err != nil {
					t.Error(err)
				}
			}()
			expect(t, c, big)
			<-done
			expectEnd(t, c)
			l := g.lines(i + 1)[i]
			if l.Flag != "" || l.BytesRead != int64(len(big)) {
				t.Errorf("line %+v", l)
			}
			if name != "originate" && (l.TLSVersion != "1.3" || l.ClientIdentity != "spiffe://example/client") {
				t.Errorf("line %+v", l)
			}
		})
	}

	// A client without a certificate, and one that speaks no TLS.
	bare := tls.Client(g.dial("terminate"), &tls.Config{ServerName: "gw.example", RootCAs: ca.Pool()})
	for range 3 {
		send(t, bare, "it may speak before it is refused")
		<-time.After(30 * time.Millisecond) // by now it is
	}
	if _, err := bare.Read(make([]byte, 1)); err == nil || !strings.Contains(err.Error(), "certificate required") {
		t.Errorf("a client without a certificate reads %v, want the alert", err)
	}
	_ = bare.NetConn().Close()
	if l := g.lines(4)[3]; l.Flag != "DPE" {
		t.Errorf("flag %q", l.Flag)
	}
	c := g.dial("terminate")
	send(t, c, "GET / HTTP/1.1\r\n\r\n")
	_, _ = io.ReadAll(c)
	c.Close()
	if l := g.lines(5)[4]; l.Flag != "DPE" {
		t.Errorf("flag %q", l.Flag)
	}
}

// An endpoint that cannot prove itself is one that cannot be connected to; the next one is tried.
func TestOriginateUnproved(t *testing.T) {
	dir := t.TempDir()
	ca, stranger := testcert.NewCA(t, "root"), testcert.NewCA(t, "stranger")
	bad, good := backend(t, tlsEcho(t, stranger, "up.example", nil)), backend(t, tlsEcho(t, ca, "up.example", nil))
	document := "listeners: [{name: in, address: '127.0.0.1:0', protocol: tcp, cluster: out}]\n" +
		"clusters: [{name: out, endpoints: [%s], tls: {ca_file: " + ca.Write(t, dir, "ca") +
		", server_name: up.example}}]\n"
	g := start(t, fmt.Sprintf(document, "'"+bad+"', '"+good+"'"))
	for range 2 {
		c := g.dial("in")
		expect(t, c, "this is up.example\n")
		c.Close()
	}
	all := g.lines(2)
	if all[0].Attempts+all[1].Attempts != 3 {
		t.Errorf("%d and %d attempts, want 3 together", all[0].Attempts, all[1].Attempts)
	}
	g.apply(fmt.Sprintf(strings.Replace(document, "name: in", "name: alone", 1), "'"+bad+"'"))
	g.wantReset("alone")
	if l := g.lines(3)[2]; l.Flag != "UF" || l.Attempts != 1 {
		t.Errorf("line %+v", l)
	}
}

// A reset is passed on through TLS too.
func TestResetUnderTLS(t *testing.T) {
	dir := t.TempDir()
	ca := testcert.NewCA(t, "root")
	cert, key := ca.Leaf(t, testcert.Leaf{DNS: []string{"gw.example"}}).Write(t, dir, "gw")
	addr, conns := hand(t)
	g := start(t, to([]string{addr}, fmt.Sprintf("tls: {certificates: [{cert_file: %s, key_file: %s}]}", cert, key)))
	c := tls.Client(g.dial("in"), &tls.Config{ServerName: "gw.example", RootCAs: ca.Pool()})
	send(t, c, "ping")
	s := next(t, conns)
	expect(t, s, "ping")
	reset(s)
	if _, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("read %v, want a broken connection", err)
	}
	g.wantFlag(telemetry.UC)
}

// redis through a port mapping, spoken to in its own words.
func TestRedis(t *testing.T) {
	server := testserver.Binary(t, "redis-server")
	port := testserver.Port(t)
	dir := t.TempDir()
	logged, err := os.Create(dir + "/redis.log")
	if err != nil {
		t.Fatal(err)
	}
	defer logged.Close()
	cmd := exec.Command(server, "--port", fmt.Sprint(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
		"--dir", dir)
	cmd.Stdout = logged
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	addr := fmt.Sprintf("127.0.0.1:%d", port)
	testserver.WaitFor(t, patience, "redis", func() bool {
		c, err := net.DialTimeout("tcp", addr, time.Second)
		if err != nil {
			return false
		}
		c.Close()
		return true
	})
	g := start(t, to([]string{addr}, ""))
	c := g.dial("in")
	send(t, c, "PING\r\n")
	expect(t, c, "+PONG\r\n")
	value := strings.Repeat("v", 1<<20)
	send(t, c, fmt.Sprintf("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$%d\r\n%s\r\n", len(value), value))
	expect(t, c, "+OK\r\n")
	send(t, c, strings.Repeat("GET k\r\n", 10)) // pipelined, 10 MiB come back
	for range 10 {
		expect(t, c, fmt.Sprintf("$%d\r\n%s\r\n", len(value), value))
	}
	sub := g.dial("in") // one that only listens
	send(t, sub, "SUBSCRIBE news\r\n")
	expect(t, sub, "*3\r\n$9\r\nsubscribe\r\n$4\r\nnews\r\n:1\r\n")
	send(t, c, "PUBLISH news hello\r\n")
	expect(t, c, ":1\r\n")
	expect(t, sub, "*3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$5\r\nhello\r\n")
	send(t, c, "QUIT\r\n")
	expect(t, c, "+OK\r\n")
	expectEnd(t, c)
}
