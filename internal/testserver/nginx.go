package testserver

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"
)

// NginxServer is a running nginx: a backend that is not written in Go.
type NginxServer struct {
	process *process
	addr    string
}

// Nginx starts nginx with one server block; body is what stands in it beside
// listen, such as `location / { return 200 "hello\n"; }`.
func Nginx(t testing.TB, body string) *NginxServer {
	t.Helper()
	dir := t.TempDir()
	s := &NginxServer{addr: Addr(t)}
	conf := filepath.Join(dir, "nginx.conf")
	text := fmt.Sprintf(nginxConf, s.addr, body)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s.process = newProcess(t, dir, "nginx", "-p", dir, "-c", conf, "-e", "stderr")
	s.Start()
	return s
}

// Addr is its host:port.
func (s *NginxServer) Addr() string { return s.addr }

// Stop kills it.
func (s *NginxServer) Stop() { s.process.stop() }

// Start starts it again, on the same address.
func (s *NginxServer) Start() {
	s.process.t.Helper()
	s.process.start(func() bool { return accepts(s.addr) })
}

// One process, so that killing it leaves no worker behind.
const nginxConf = `
daemon off;
master_process off;
pid nginx.pid;
error_log stderr warn;
events { worker_connections 4096; }
http {
  access_log off;
  keepalive_requests 1000000000;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  server {
    listen %s;
    %s
  }
}
`

// accepts reports whether something listens on addr.
func accepts(addr string) bool {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return false
	}
	return c.Close() == nil
}
