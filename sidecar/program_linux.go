package sidecar

import (
	"bufio"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// releaseProgram takes the pages of the program's own file out of the process. Most of them were needed at the start
// alone. Those that are needed again come back from the page cache one by one, each in about a microsecond. Pages that
// differ from the file stay.
func releaseProgram() {
	program, err := os.Executable()
	if err != nil {
		return
	}
	f, err := os.Open("/proc/self/smaps")
	if err != nil {
		return
	}
	defer f.Close()
	var at mapping
	for lines := bufio.NewScanner(f); lines.Scan(); {
		line := lines.Text()
		if m, ok := parseMapping(line); ok {
			at = m
			continue
		}
		// All of these are read-only, so that none is written between the look and the call.
		if at.file == program && !at.writable && strings.HasPrefix(line, "Anonymous:") &&
			strings.TrimSuffix(strings.TrimSpace(line[len("Anonymous:"):]), " kB") == "0" {
			_, _, _ = unix.Syscall(unix.SYS_MADVISE, at.from, at.to-at.from, unix.MADV_DONTNEED)
		}
	}
}

// residentFiles is how many bytes of files are in the process, 0 if the system does not tell (proc_pid_statm(5)).
func residentFiles() int64 {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	f := strings.Fields(string(text))
	if len(f) < 3 {
		return 0
	}
	pages, err := strconv.ParseInt(f[2], 10, 64)
	if err != nil {
		return 0
	}
	return pages * int64(os.Getpagesize())
}

// mapping is a part of the address space.
type mapping struct {
	from, to uintptr
	writable bool
	file     string
}

// parseMapping reads the first line of a mapping in /proc/PID/smaps (proc_pid_smaps(5)). Others are not ok.
func parseMapping(line string) (m mapping, ok bool) {
	f := strings.Fields(line)
	if len(f) != 6 {
		return m, false
	}
	from, to, ok := strings.Cut(f[0], "-")
	if !ok {
		return m, false
	}
	low, err1 := strconv.ParseUint(from, 16, 64)
	high, err2 := strconv.ParseUint(to, 16, 64)
	return mapping{uintptr(low), uintptr(high), strings.Contains(f[1], "w"), f[5]}, err1 == nil && err2 == nil
}
