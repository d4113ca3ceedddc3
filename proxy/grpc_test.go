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

// TestGRPCInterop runs gRPC's own client against gRPC's own server through the gateway: every case that needs no
// authentication, over h2c and over TLS.
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
	server := exec.CommandContext(t.Context(), bin, "server", "127.0.0.1:0")
	server.Stderr = os.Stderr
	out, err := server.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	defer server.Wait()                          //nolint:errcheck // it is killed with the test's context
	defer func() { _ = server.Process.Kill() }() // it may have ended by itself
	address, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	app := strings.TrimSpace(address)
	dir := t.TempDir()
	ca := testcert.NewCA(t, "interop")
	cert, key := ca.Server(t, "localhost").Write(t, dir, "server")
	roots := filepath.Join(dir, "roots.pem")
	testcert.Replace(t, roots, ca.PEM())

	routes := `
routes:
- {name: calls, match: {path_prefix: /grpc.testing.TestService}, cluster: app}
- {name: others, match: {path_prefix: /}, cluster: app}
clusters:
- {name: app, protocol: http2, endpoints: ["` + app + `"]}
`
	for _, tt := range []struct{ name, listener, roots string }{
		{"h2c", `listeners: [{name: web, address: "127.0.0.1:0", protocol: http}]`, ""},
		{"tls", fmt.Sprintf(`listeners: [{name: web, address: "127.0.0.1:0", protocol: http, tls: {certificates: [{cert_file: %s, key_file: %s}]}}]`, cert, key), roots},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := start(t, tt.listener+routes)
			_, port, _ := strings.Cut(g.addr, ":")
			args := []string{"client", "localhost:" + port}
			if tt.roots != "" {
				args = append(args, tt.roots)
			}
			said, err := exec.CommandContext(t.Context(), bin, args...).CombinedOutput()
			if err != nil || !strings.Contains(string(said), "14 cases passed") {
				t.Fatalf("client: %v\n%s", err, said)
			}
		})
	}
}

// A server of gRPC's own answers a client-streaming call whose client sends no message, on a connection to it that is
// being made and on one that is there, whoever carries the call.
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
