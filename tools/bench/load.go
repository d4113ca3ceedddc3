package main

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"time"
)

// load asks a proxy for so many seconds, and returns how many requests were served. One that fails is an error: what
// was not served must not make a proxy look fast.
type load func(m *measurement, seconds int) (float64, error)

var (
	wrkServed    = regexp.MustCompile(`(\d+) requests in`)
	wrkFailed    = regexp.MustCompile(`Non-2xx or 3xx responses: .*|Socket errors: .*`)
	h2loadServed = regexp.MustCompile(`(\d+) succeeded, (\d+) failed, (\d+) errored`)
)

// run runs a program of the load on its processor.
func (m *measurement) run(seconds int, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(m.ctx, time.Duration(seconds)*time.Second+time.Minute)
	defer cancel()
	return output(ctx, append([]string{"taskset", "-c", m.loadCPU}, args...)...)
}

// wrk is load over HTTP/1.1.
func wrk(connections int, scheme string, port func(*ports) string, path string, more ...string) load {
	return func(m *measurement, seconds int) (float64, error) {
		args := append([]string{"wrk", "-t1", fmt.Sprintf("-c%d", connections), fmt.Sprintf("-d%ds", seconds)}, more...)
		out, err := m.run(seconds, append(args, scheme+"://"+port(&m.proxy.ports)+path)...)
		if err != nil {
			return 0, err
		}
		served := wrkServed.FindStringSubmatch(out)
		if failed := wrkFailed.FindString(out); failed != "" || served == nil {
			return 0, fmt.Errorf("wrk: %s", out)
		}
		return strconv.ParseFloat(served[1], 64)
	}
}

// h2load is load over HTTP/2, or at a steady rate. A body is a file of the run's folder.
func h2load(port func(*ports) string, scheme, path string, options ...string) load {
	return func(m *measurement, seconds int) (float64, error) {
		args := []string{"h2load", "-D", fmt.Sprint(seconds)}
		for i, o := range options {
			if i > 0 && options[i-1] == "-d" {
				o = m.file(o)
			}
			args = append(args, o)
		}
		out, err := m.run(seconds, append(args, scheme+"://"+port(&m.proxy.ports)+path)...)
		if err != nil {
			return 0, err
		}
		served := h2loadServed.FindStringSubmatch(out)
		if served == nil || served[2] != "0" || served[3] != "0" {
			return 0, fmt.Errorf("h2load: %s", out)
		}
		return strconv.ParseFloat(served[1], 64)
	}
}

// role is load by this program itself: see play.
func role(port func(*ports) string, name string, args ...string) load {
	return func(m *measurement, seconds int) (float64, error) {
		all := []string{"env", "GOMAXPROCS=1", m.self, "role", name, port(&m.proxy.ports), strconv.Itoa(seconds)}
		out, err := m.run(seconds, append(all, args...)...)
		if err != nil {
			return 0, err
		}
		return strconv.ParseFloat(out, 64)
	}
}
