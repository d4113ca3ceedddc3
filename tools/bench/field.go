package main

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"text/template"
	"time"
)

//go:embed conf
var confs embed.FS

// field is all that one run needs: a folder, the servers behind the proxies, and the proxies.
type field struct {
	ctx  context.Context // ends the run
	dir  string
	self string // this program
	// The proxy has a processor of its own; load and backends share another.
	proxyCPU, loadCPU string
	ports             *block
	backends          backends
	proxies           []*proxy
	servers           []*process
}

// proxy is one of those that are compared.
type proxy struct {
	name   string
	ports  ports
	stream bool // it can forward TCP
	conf   string
	env    []string
	args   []string
}

func newField(ctx context.Context, o *options) (*field, error) {
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return nil, err
	}
	f := &field{ctx: ctx, dir: dir}
	if err = f.prepare(o); err != nil {
		f.close()
		return nil, err
	}
	return f, nil
}

func (f *field) prepare(o *options) error {
	var err error
	if f.self, err = os.Executable(); err != nil {
		return err
	}
	if f.ports, err = takeBlock(); err != nil {
		return err
	}
	if f.proxyCPU, f.loadCPU, err = processors(); err != nil {
		return err
	}
	for _, program := range []string{"taskset", "nginx", "wrk", "h2load"} {
		if _, err = exec.LookPath(program); err != nil {
			return fmt.Errorf("%w: tools/packages installs it", err)
		}
	}
	if err = writeCertificates(f.dir); err != nil {
		return err
	}
	if err = os.WriteFile(f.file("kilobyte"), []byte(kilobyte), 0o600); err != nil {
		return err
	}
	// A gRPC message: not compressed, and its length in front.
	message := "\x00\x00\x00\x00\x64" + strings.Repeat("x", 100)
	if err = os.WriteFile(f.file("message"), []byte(message), 0o600); err != nil {
		return err
	}
	for name := range strings.SplitSeq(o.peers, ",") {
		if err = f.addPeer(name); err != nil {
			return err
		}
	}
	for name, file := range map[string]string{"gateway": o.gateway, "before": o.before} {
		if file != "" {
			if err = f.addGateway(name, file); err != nil {
				return err
			}
		}
	}
	return f.startBackends()
}

func (f *field) file(name string) string { return filepath.Join(f.dir, name) }

// close ends all programs and removes the folder.
func (f *field) close() {
	for _, s := range f.servers {
		s.stop()
	}
	if f.ports != nil {
		f.ports.owner.Close()
	}
	_ = os.RemoveAll(f.dir)
}

// addPeer adds nginx or HAProxy, with the configuration of conf.
func (f *field) addPeer(name string) error {
	p := &proxy{name: name, stream: true}
	switch name {
	case "nginx":
		p.conf = "nginx.conf"
		p.args = []string{"nginx", "-p", f.dir, "-e", "stderr", "-c", f.file("nginx.conf")}
		p.stream, _ = streamModule()
	case "haproxy":
		p.conf = "haproxy.cfg"
		p.args = []string{"haproxy", "-db", "-f", f.file("haproxy.cfg")}
	case "":
		return nil
	default:
		return fmt.Errorf("-peers: there is no %q (nginx, haproxy)", name)
	}
	if _, err := exec.LookPath(name); err != nil {
		return fmt.Errorf("%w: tools/packages installs it", err)
	}
	f.proxies = append(f.proxies, p)
	return f.ports.allot(&p.ports)
}

func (f *field) addGateway(name, file string) error {
	program, err := absolute(file)
	if err != nil {
		return err
	}
	p := &proxy{name: name, stream: true, conf: "gateway.yaml", args: []string{program}}
	if err = f.ports.allot(&p.ports); err != nil {
		return err
	}
	p.env = []string{
		"GATEWAY_SOURCE=file", "GATEWAY_CONFIG=" + f.file("gateway.yaml"), "GATEWAY_ADMIN_LISTEN=" + p.ports.Admin,
		"GATEWAY_LISTEN=" + p.ports.Unused, // the document has its own listeners
		"GATEWAY_ACCESS_LOG=" + f.file("gateway.access"), "GATEWAY_LOG_LEVEL=error",
	}
	f.proxies = append(f.proxies, p)
	return nil
}

// startBackends starts nginx, for small responses, and this program's own server for all else.
func (f *field) startBackends() error {
	if err := f.ports.allot(&f.backends); err != nil {
		return err
	}
	if err := f.writeConf("backend.conf", nil, false); err != nil {
		return err
	}
	b := &f.backends
	for _, s := range []struct {
		name, address string
		args          []string
	}{
		{"backend", b.Backend, []string{"nginx", "-p", f.dir, "-e", "stderr", "-c", f.file("backend.conf")}},
		{"server", b.Server, []string{f.self, "role", "server", b.Server, b.Sink, b.GRPC}},
	} {
		p, err := startOn(f.dir, f.loadCPU, s.name, "", nil, s.args...)
		if err != nil {
			return err
		}
		f.servers = append(f.servers, p)
		if _, err = f.answers(p, s.address); err != nil {
			return err
		}
	}
	return nil
}

// writeConf writes a configuration into the folder, for a proxy or the backend.
func (f *field) writeConf(name string, p *proxy, log bool) error {
	text, err := fs.ReadFile(confs, "conf/"+name+".tmpl")
	if err != nil {
		return err
	}
	t, err := template.New(name).Parse(string(text))
	if err != nil {
		return err
	}
	var b strings.Builder
	with := struct {
		ports
		backends
		Dir, StreamModule, Small, Kilobyte string
		Log, Stream                        bool
	}{backends: f.backends, Dir: f.dir, Small: strings.Repeat("0123456789", 13), Kilobyte: kilobyte, Log: log}
	with.Stream, with.StreamModule = streamModule()
	if p != nil {
		with.ports = p.ports
	}
	if err = t.Execute(&b, with); err != nil {
		return err
	}
	return os.WriteFile(f.file(name), []byte(b.String()), 0o600)
}

// streamModule tells whether nginx can forward TCP, and the module to load for it.
func streamModule() (can bool, module string) {
	out, err := exec.Command("nginx", "-V").CombinedOutput()
	if err == nil && regexp.MustCompile(`--with-stream(\s|$)`).Match(out) {
		return true, ""
	}
	const debians = "/usr/lib/nginx/modules/ngx_stream_module.so"
	if _, err = os.Stat(debians); err != nil {
		return false, ""
	}
	return true, debians
}

// measure starts a proxy, has a scenario take its figures for so many seconds, and stops the proxy.
func (f *field) measure(s *scenario, p *proxy, seconds int) ([]float64, error) {
	if err := f.ctx.Err(); err != nil {
		return nil, err
	}
	if err := f.writeConf(p.conf, p, s.log); err != nil {
		return nil, err
	}
	began := time.Now()
	printed := ""
	if s.log {
		printed = f.file(p.name + ".printed")
	}
	proc, err := startOn(f.dir, f.proxyCPU, p.name, printed, p.env, p.args...)
	if err != nil {
		return nil, err
	}
	defer proc.stop()
	took, err := f.answers(proc, p.ports.H1)
	if err != nil {
		return nil, err
	}
	m := &measurement{field: f, proxy: p, proc: proc, seconds: seconds, started: took.Sub(began)}
	figures, err := s.take(m)
	if f.ctx.Err() != nil {
		return nil, errors.New("interrupted")
	}
	if err != nil {
		return nil, fmt.Errorf("%w (%s)", err, proc.said())
	}
	return figures, nil
}

// answers waits until somebody answers a request there, and tells when that was.
func (f *field) answers(p *process, address string) (time.Time, error) {
	ask := func() error {
		c, err := net.DialTimeout("tcp", address, time.Second)
		if err != nil {
			return err
		}
		defer c.Close()
		if err = c.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
			return err
		}
		if _, err = c.Write([]byte(request("/"))); err != nil {
			return err
		}
		_, err = c.Read(make([]byte, 1))
		return err
	}
	last := time.After(20 * time.Second)
	for {
		err := ask()
		if err == nil {
			return time.Now(), nil
		}
		select {
		case <-p.done:
			return time.Time{}, errors.New("it ended at once: " + p.said())
		case <-last:
			return time.Time{}, fmt.Errorf("nobody answers at %s: %w (%s)", address, err, p.said())
		case <-f.ctx.Done():
			return time.Time{}, f.ctx.Err()
		case <-time.After(time.Millisecond):
		}
	}
}

// request is a GET as HTTP/1.1.
func request(path string) string { return "GET " + path + " HTTP/1.1\r\nHost: localhost\r\n\r\n" }
