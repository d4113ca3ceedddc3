package main

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// machine is where and with what a run took place.
type machine struct {
	Date     string            `json:"date"`
	CPU      string            `json:"cpu"`
	CPUs     int               `json:"cpus"`
	Kernel   string            `json:"kernel"`
	Versions map[string]string `json:"versions"`
}

func describe(f *field) (machine, error) {
	m := machine{
		Date: time.Now().UTC().Format(time.DateOnly), CPU: "unknown, " + runtime.GOARCH, CPUs: runtime.NumCPU(),
		Versions: map[string]string{},
	}
	kernel, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return m, err
	}
	m.Kernel = "Linux " + strings.TrimSpace(string(kernel))
	cpus, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return m, err
	}
	if name := regexp.MustCompile(`(?m)^model name\s*: (.+)$`).FindSubmatch(cpus); name != nil {
		m.CPU = string(name[1])
	}
	commands := map[string][]string{"wrk": {"wrk", "-v"}, "h2load": {"h2load", "--version"}}
	for _, p := range f.proxies {
		commands[p.name] = []string{p.args[0], map[string]string{"nginx": "-v", "haproxy": "-v"}[p.name]}
		if commands[p.name][1] == "" {
			commands[p.name][1] = "version"
		}
	}
	number := regexp.MustCompile(`\d+\.\d+(\.\d+)?(-[^ ]+)?`)
	for name, command := range commands {
		out, err := exec.Command(command[0], command[1:]...).CombinedOutput() // wrk -v exits with 1
		first, _, _ := strings.Cut(string(out), "\n")
		switch found := number.FindString(first); {
		case command[1] == "version" && err == nil:
			m.Versions[name] = strings.TrimPrefix(first, "gateway ")
		case found != "":
			m.Versions[name] = found
		default:
			return m, fmt.Errorf("%s says no version: %q", strings.Join(command, " "), first)
		}
	}
	return m, nil
}

// processors are two that this process may use: one for the proxy, one for all else. Where there is only one, they
// share it.
func processors() (proxy, load string, err error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return "", "", err
	}
	list := regexp.MustCompile(`(?m)^Cpus_allowed_list:\s*(\S+)$`).FindSubmatch(status)
	if list == nil {
		return "", "", fmt.Errorf("/proc/self/status has no Cpus_allowed_list")
	}
	var all []string
	for part := range strings.SplitSeq(string(list[1]), ",") {
		from, to, isRange := strings.Cut(part, "-")
		if !isRange {
			to = from
		}
		first, err := strconv.Atoi(from)
		if err != nil {
			return "", "", err
		}
		last, err := strconv.Atoi(to)
		if err != nil {
			return "", "", err
		}
		for n := first; n <= last && len(all) < 2; n++ {
			all = append(all, strconv.Itoa(n))
		}
	}
	return all[0], all[len(all)-1], nil
}
