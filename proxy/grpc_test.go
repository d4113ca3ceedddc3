package proxy_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/fabian4/gateway-homebrew-go/internal/testcert"
	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
)

// TestGRPCInterop runs gRPC's own client against gRPC's own server through the gateway. Every case that needs no
// authentication is run in twelve ways. The connection to the endpoint is being made (cold: a gateway for each case)
// or is there (warm). The route is plain, with retries or with a bounded body, and all is over h2c and over TLS.
func TestGRPCInterop(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a program")
	}
	bin := filepath.Join(t.TempDir(), "grpcinterop")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", bin, ".")
	build.Dir = filepath.Join("..", "tools", "grpcinterop")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	app := interopServer(t, bin)
	dir := t.TempDir()
	ca := testcert.NewCA(t, "interop")
	cert, key := ca.Server(t, "localhost").Write(t, dir, "server")
	roots := filepath.Join(dir, "roots.pem")
	testcert.Replace(t, roots, ca.PEM())
	names, err := exec.CommandContext(t.Context(), bin, "cases").Output()
	cases := strings.Fields(string(names))
	if err != nil || len(cases) != 14 {
		t.Fatalf("cases %q, %v; want 14", cases, err)
	}

	for _, listener := range []struct{ name, tls, ca string }{
		{"h2c", "", "-"},
		{"tls", fmt.Sprintf(", tls: {certificates: [{cert_file: %s, key_file: %s}]}", cert, key), roots},
	} {
		for _, option := range []struct{ name, route, more string }{
			{"plain", "", ""},
			{"retries", ", retries: {on: [unavailable]}", ""},
			{"max_body", "", "limits: {max_body: 1MiB}"},
		} {
			document := fmt.Sprintf(`
listeners: [{name: web, address: "127.0.0.1:0", protocol: http%[1]s}]
routes:
- {name: calls, match: {path_prefix: /grpc.testing.TestService}, cluster: app%[2]s}
- {name: others, match: {path_prefix: /}, cluster: app%[2]s}
clusters:
- {name: app, protocol: http2, endpoints: [%[3]q]}
%[4]s
`, listener.tls, option.route, app, option.more)
			client := func(t *testing.T, g *gateway, cases ...string) {
				t.Helper()
				_, port, _ := strings.Cut(g.addr, ":")
				args := append([]string{"client", "localhost:" + port, listener.ca}, cases...)
				said, err := exec.CommandContext(t.Context(), bin, args...).CombinedOutput()
				if strings.Contains(string(said), answeredAfterAll) {
					said, err = exec.CommandContext(t.Context(), bin, args...).CombinedOutput()
				}
				if err != nil || !strings.Contains(string(said), fmt.Sprint(len(cases), " cases passed")) {
					t.Errorf("client %q: %v\n%s", cases, err, said)
				}
			}
			t.Run(listener.name+"/"+option.name+"/cold", func(t *testing.T) {
				for _, name := range cases {
					client(t, start(t, document), name)
				}
			})
			t.Run(listener.name+"/"+option.name+"/warm", func(t *testing.T) {
				g := start(t, document)
				client(t, g, cases[0])
				client(t, g, cases...)
			})
		}
	}
}

// answeredAfterAll is what the client says of cancel_after_begin where the response of the call that it has just
// cancelled was there before it looked. Then it takes either. That is its own affair, and not likely twice.
const answeredAfterAll = "CloseAndRecv() got error code 0, want 1"

// interopServer runs gRPC's own server until the test ends, and returns its address.
func interopServer(t *testing.T, bin string) (address string) {
	t.Helper()
	server := exec.Command(bin, "server", "127.0.0.1:0")
	server.Stderr = os.Stderr
	server.SysProcAttr = testserver.DieWithParent()
	out, err := server.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = server.Process.Kill() // it may have ended by itself
		_ = server.Wait()         // with the error that it was killed
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(line)
}

// A server of gRPC's own answers a client-streaming call whose client sends no message. The connection to it is being
// made or is there, and the call may be carried in any way.
func TestCallWithoutMessages(t *testing.T) {
	alone(t)
	s := grpc.NewServer(grpc.UnknownServiceHandler(func(_ any, st grpc.ServerStream) error {
		messages := 0
		for ; st.RecvMsg(new(emptypb.Empty)) == nil; messages++ {
		}
		if messages > 0 {
			return status.Errorf(codes.Internal, "%d messages", messages)
		}
		return st.SendMsg(new(emptypb.Empty))
	}))
	ln := testserver.Listen(t)
	go func() { _ = s.Serve(ln) }() // ends with Stop
	t.Cleanup(s.Stop)
	for option, document := range map[string]string{
		"plain":    clustered("", "protocol: http2", ln.Addr().String()),
		"retries":  clustered("retries: {on: [unavailable]}", "protocol: http2", ln.Addr().String()),
		"max_body": "limits: {max_body: 1000}\n" + clustered("", "protocol: http2", ln.Addr().String()),
	} {
		t.Run(option, func(t *testing.T) {
			g := start(t, document)
			c, err := grpc.NewClient(g.addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			for _, state := range []string{"cold", "warm"} {
				st, err := c.NewStream(t.Context(), &grpc.StreamDesc{ClientStreams: true}, "/x.Y/Collect")
				if err != nil {
					t.Fatalf("%s: %v", state, err)
				}
				if err := st.CloseSend(); err != nil {
					t.Fatalf("%s: %v", state, err)
				}
				if err := st.RecvMsg(new(emptypb.Empty)); err != nil {
					t.Fatalf("%s: %v", state, err)
				}
			}
		})
	}
}
