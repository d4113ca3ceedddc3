package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process is a program that runs on one processor until it is stopped.
type process struct {
	cmd  *exec.Cmd
	log  string // what it said on standard error
	done chan struct{}
}

// startOn starts a program on one processor. What it prints goes to the file out, if there is one.
func startOn(dir, cpu, name, out string, env []string, args ...string) (*process, error) {
	p := &process{log: filepath.Join(dir, name+".err"), done: make(chan struct{})}
	p.cmd = exec.Command("taskset", append([]string{"-c", cpu}, args...)...)
	p.cmd.Env = append(append(os.Environ(), "GOMAXPROCS=1"), env...)
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	said, err := os.Create(p.log)
	if err != nil {
		return nil, err
	}
	defer said.Close()
	p.cmd.Stderr = said
	if out != "" {
		file, err := os.Create(out)
		if err != nil {
			return nil, err
		}
		defer file.Close()
		p.cmd.Stdout = file
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(p.done)
		_ = p.cmd.Wait() // it is killed, in the end
	}()
	return p, nil
}

// stop returns when the process is gone, and its ports are free.
func (p *process) stop() {
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	<-p.done
}

// cpu is the time that all threads of the process have run, in user space and in the kernel.
func (p *process) cpu() (time.Duration, error) {
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", p.cmd.Process.Pid))
	if err != nil || len(files) == 0 {
		return 0, fmt.Errorf("no /proc/PID/task/*/schedstat: the process has ended, or the kernel does not count (%s)",
			p.said())
	}
	var sum time.Duration
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // the thread has ended
		}
		ran, _, _ := strings.Cut(string(text), " ")
		ns, err := strconv.ParseInt(ran, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", file, err)
		}
		sum += time.Duration(ns)
	}
	return sum, nil
}

// memory is what the process alone uses, in bytes; of what it shares with others, its part.
func (p *process) memory() (float64, error) { return p.rollup("Pss:") }

// anonymous is what the process uses in bytes without the pages of files. The kernel reads those when code first runs,
// and takes them back when it wants to.
func (p *process) anonymous() (float64, error) { return p.rollup("Anonymous:") }

// rollup is a field of the summary of the process's memory, in bytes.
func (p *process) rollup(field string) (float64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", p.cmd.Process.Pid))
	if err != nil {
		return 0, fmt.Errorf("%w (%s)", err, p.said())
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == field {
			kb, err := strconv.ParseFloat(f[1], 64)
			return kb * 1024, err
		}
	}
	return 0, fmt.Errorf("/proc/%d/smaps_rollup has no %s", p.cmd.Process.Pid, field)
}

// said is the end of what the process wrote to standard error.
func (p *process) said() string {
	text, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(text[max(0, len(text)-600):]))
}

// output runs a program to its end.
func output(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%s: %w: %s", strings.Join(args, " "), err, out)
	}
	return string(out), err
}
