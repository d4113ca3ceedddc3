package testserver

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// startTimeout is how long a server may take until it answers. Consul needs some
// three seconds on an idle machine; a busy CI machine is many times slower.
const startTimeout = 60 * time.Second

// logLines of a server's log are printed when its test fails.
const logLines = 40

// process is one server program: it can be killed and started again.
type process struct {
	t    testing.TB
	name string
	path string
	args []string
	log  string // file that takes its standard output and error, over all its lives

	cmd    *exec.Cmd     // nil while it is stopped
	exited chan struct{} // closed when cmd has ended and was waited for
}

// newProcess describes a program that keeps its log in dir, and ends it with the test.
func newProcess(t testing.TB, dir, name string, args ...string) *process {
	t.Helper()
	p := &process{t: t, name: name, path: Binary(t, name), args: args, log: filepath.Join(dir, name+".log")}
	t.Cleanup(func() {
		p.stop()
		if t.Failed() {
			t.Logf("%s, end of its log:\n%s", name, p.tail())
		}
	})
	return p
}

// start runs the program and returns when ready holds.
func (p *process) start(ready func() bool) {
	p.t.Helper()
	if p.cmd != nil {
		p.t.Fatalf("%s: started twice", p.name)
	}
	out, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		p.t.Fatal(err)
	}
	defer out.Close()

	cmd := exec.Command(p.path, p.args...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = DieWithParent()
	if err := cmd.Start(); err != nil {
		p.t.Fatalf("start %s: %v", p.name, err)
	}
	exited := make(chan struct{})
	go func() { // ends with the program, which stop kills and waits for
		defer close(exited)
		_ = cmd.Wait() // killed is how all of them end
	}()
	p.cmd, p.exited = cmd, exited

	gone := false
	WaitFor(p.t, startTimeout, p.name+" to answer", func() bool {
		select {
		case <-exited:
			gone = true
		default:
		}
		return gone || ready()
	})
	if gone {
		p.t.Fatalf("%s ended at once (%v):\n%s", p.name, cmd.ProcessState, p.tail())
	}
}

// stop kills the program without a chance to end by itself, and waits for its end.
func (p *process) stop() {
	if p.cmd == nil {
		return
	}
	_ = p.cmd.Process.Kill() // already gone is as good
	<-p.exited
	p.cmd = nil
}

func (p *process) signal(s syscall.Signal) {
	p.t.Helper()
	if p.cmd == nil {
		p.t.Fatalf("%s: %v while it is stopped", p.name, s)
	}
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatalf("%s: %v: %v", p.name, s, err)
	}
}

func (p *process) tail() string {
	text, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-logLines):], "\n")
}
