package docs_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
)

var update = flag.Bool("update", false, "write the outputs of the pages anew")

// patience is how long all commands of one page may take.
const patience = 2 * time.Minute

// tools are what the pages call besides the gateway, Consul and a Collector.
var tools = []string{"bash", "curl", "openssl", "redis-server", "redis-cli", "nginx", "wrk", "taskset"}

// TestCommands runs the commands of each page as a reader would, with the real
// gateway and, where a page wants it, a real Consul.
func TestCommands(t *testing.T) {
	gateway := filepath.Join(t.TempDir(), "gateway")
	if out, err := exec.Command("go", "build", "-o", gateway, "..").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	t.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin") // where servers are
	for _, tool := range tools {
		if _, err := exec.LookPath(tool); err != nil {
			t.Fatal(err) // a page would wait for it
		}
	}
	ports := unused(t)
	all := pages(t)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		p := all[name]
		if !slices.ContainsFunc(p.blocks, func(b block) bool { return b.kind == "run" }) {
			continue
		}
		t.Run(name, func(t *testing.T) {
			if name == "benchmarks.md" && runtime.NumCPU() < 2 {
				t.Skip("needs two processors")
			}
			t.Parallel()
			s := newSession(t, p, gateway, ports)
			s.compare(t, p, s.run(t, p))
		})
	}
}

// session is the surroundings of one page's commands. The ports of the page are
// replaced by free ones before, and put back into the output afterwards.
type session struct {
	dir   string
	env   []string
	ports *strings.Replacer // the page's to ours
	back  *strings.Replacer
}

var address = regexp.MustCompile(`:([1-9][0-9]{3,4})\b`)

// startsConsul is the command that is not run: the test has started one.
const startsConsul = "consul agent -dev"

// unused gives free ports, none twice: pages run at the same time, and hold theirs
// only from when a command listens there.
func unused(t *testing.T) func() string {
	var mu sync.Mutex // guards given
	given := map[int]bool{}
	return func() string {
		mu.Lock()
		defer mu.Unlock()
		for {
			if n := testserver.Port(t); !given[n] {
				given[n] = true
				return fmt.Sprintf(":%d", n)
			}
		}
	}
}

func newSession(t *testing.T, p *page, gateway string, port func() string) *session {
	t.Helper()
	ours := map[string]string{":8080": "", ":9901": ""}
	consul := false
	bin := filepath.Dir(testserver.Binary(t, "otelcol"))
	for _, b := range p.blocks {
		if !slices.Contains([]string{"run", "document", "file"}, b.kind) {
			continue
		}
		consul = consul || strings.Contains(b.text, startsConsul)
		for _, m := range address.FindAllString(b.text, -1) {
			ours[m] = ""
		}
	}
	s := &session{dir: t.TempDir()}
	path := filepath.Dir(gateway) + ":" + bin
	if consul {
		_, ours[":8500"], _ = strings.Cut(testserver.Consul(t).Addr(), "127.0.0.1")
	}
	// In the same order as the page's, so that sorted outputs are sorted alike.
	var free []string
	for _, our := range ours {
		if our == "" {
			free = append(free, port())
		}
	}
	slices.Sort(free)
	var there, back []string
	for _, theirs := range slices.Sorted(maps.Keys(ours)) {
		our := ours[theirs]
		if our == "" {
			our, free = free[0], free[1:]
		}
		there, back = append(there, theirs, our), append(back, our, theirs)
	}
	s.ports, s.back = strings.NewReplacer(there...), strings.NewReplacer(back...)
	s.env = []string{
		"PATH=" + path + ":" + os.Getenv("PATH"), "HOME=" + s.dir, "TMPDIR=" + s.dir, "LC_ALL=C.UTF-8",
		s.ports.Replace("GATEWAY_LISTEN=127.0.0.1:8080"), s.ports.Replace("GATEWAY_ADMIN_LISTEN=127.0.0.1:9901"),
		"GATEWAY_DRAIN_DELAY=0s", // nobody balances over a page
	}
	return s
}

// end marks the end of a block's output.
const end = "@@ end of block @@"

// script is the page as one program for bash. Whatever it leaves in the background
// ends with it.
func (s *session) script(p *page) string {
	var b strings.Builder
	b.WriteString("trap 'kill $(jobs -p) 2>/dev/null; wait' EXIT\n")
	for _, block := range p.blocks {
		text := s.ports.Replace(block.text)
		switch block.kind {
		case "document", "file":
			fmt.Fprintf(&b, "cat > %s <<'END OF DOCUMENT'\n%sEND OF DOCUMENT\n", block.file, text)
		case "run":
			for line := range strings.Lines(text) {
				if !strings.HasPrefix(line, startsConsul) {
					b.WriteString(line)
				}
			}
			fmt.Fprintf(&b, "echo; echo '%s'\n", end)
		}
	}
	return b.String()
}

// run returns the output of each block that is run.
func (s *session) run(t *testing.T, p *page) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	out, err := os.Create(filepath.Join(t.TempDir(), "output"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd := exec.CommandContext(ctx, "bash", "-c", s.script(p))
	cmd.Dir, cmd.Env = s.dir, s.env
	cmd.Stdout, cmd.Stderr = out, out // a file: what is in the background does not hold Wait up
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	err = cmd.Run()
	text, readErr := os.ReadFile(out.Name())
	if readErr != nil {
		t.Fatal(readErr)
	}
	if _, ended := errors.AsType[*exec.ExitError](err); err != nil && !ended || ctx.Err() != nil {
		t.Fatalf("%v, %v; output:\n%s", err, ctx.Err(), text)
	}
	outputs := strings.Split(s.back.Replace(string(text)), "\n"+end+"\n")
	return outputs[:len(outputs)-1]
}

// compare holds what the page shows against what the commands printed. Commands
// without an output print nothing.
func (s *session) compare(t *testing.T, p *page, outputs []string) {
	t.Helper()
	text, run := p.text, -1
	moved := 0 // by what was replaced before
	for i, b := range p.blocks {
		if b.kind != "run" {
			continue
		}
		if run++; run >= len(outputs) {
			t.Fatalf("%s:%d: the commands were not reached", p.name, p.line(b.start))
		}
		got := strings.TrimRight(outputs[run], "\n") + "\n"
		want, shown := "\n", i+1 < len(p.blocks) && p.blocks[i+1].kind == "output"
		if shown {
			want = p.blocks[i+1].text
		}
		switch {
		case matches(want, got):
		case shown && *update:
			at := p.blocks[i+1].start + moved
			text = text[:at] + got + text[at+len(want):]
			moved += len(got) - len(want)
		default:
			t.Errorf("%s:%d: the commands\n%sprint\n%swant\n%s", p.name, p.line(b.start), b.text, got, want)
		}
	}
	if text != p.text {
		if err := os.WriteFile(p.name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// vary are the parts of an output that differ from one run to the next.
var vary = []struct{ pattern, name string }{
	{`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:?\d\d)`, "TIME"},
	{`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \+0000 UTC`, "TIME"},
	{`\b\d\d:\d\d:\d\d\.\d{3}\b`, "TIME"},
	{`(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT`, "TIME"},
	{`\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b`, "UUID"},
	{`\b[0-9a-f]{64}\b`, "HASH"}, // of a document, or of a certificate
	{`\b(revision"?[ =:]+"?)[0-9a-f]{12}\b`, "${1}REVISION"},
	{`\b(hash=)[0-9a-f]+`, "${1}HASH"},
	{`\b(took"?[=:]"?)[0-9.]+(ns|µs|ms|s)`, "${1}DURATION"},
	{`(_ms":)[0-9.]+`, "${1}MS"},
	{`127\.0\.0\.1:(3276[89]|327[7-9]\d|32[89]\d\d|3[3-9]\d{3}|[4-6]\d{4})\b`, "127.0.0.1:PORT"}, // chosen by the kernel
	{`[0-9.]+( us of CPU a request| bytes for each)`, "N$1"},
	{`curl/[0-9.]+`, "curl/VERSION"},
	{`(?m)^(version +).*$`, "${1}VERSION"},
	{`\binstance [^ ,]+`, "instance INSTANCE"},
	{` {2,}`, "  "}, // columns are as wide as what is in them
	{`(?m) +$`, ""},
}

var patterns = func() (all []*regexp.Regexp) {
	for _, v := range vary {
		all = append(all, regexp.MustCompile(v.pattern))
	}
	return all
}()

func steady(text string) string {
	for i, p := range patterns {
		text = p.ReplaceAllString(text, vary[i].name)
	}
	return text
}

// matches tells whether got is want, in which a line ... stands for any lines.
func matches(want, got string) bool {
	var like strings.Builder
	for line := range strings.Lines(steady(want)) {
		if line == "...\n" {
			like.WriteString("(?:.*\n)*?")
		} else {
			like.WriteString(regexp.QuoteMeta(line))
		}
	}
	return regexp.MustCompile(`\A` + like.String() + `\z`).MatchString(steady(got))
}

func TestMatches(t *testing.T) {
	for _, row := range []struct {
		want, got string
		is        bool
	}{
		{"a\n", "a\n", true},
		{"a\n", "a\nb\n", false},
		{"a\n...\n", "a\nb\n", true},
		{"...\nb\n", "a\nb\n", true},
		{"...\nb\n", "a\nb\nc\n", false},
		{"a\n...\nc\n...\ne\n", "a\nb\nc\nd\ne\n", true},
		{"a\n...\nc\n...\ne\n", "a\nb\nd\ne\n", false},
		{"a\n...\nb\n", "a\nb\n", true},
		{"at 2026-11-23T07:00:20Z\n", "at 2027-01-02T03:04:05Z\n", true},
		{"revision be35b7a0f1c2 of 1\n", "revision 000000000000 of 2\n", false},
		{"", "", true},
		{"\n", "a\n", false},
	} {
		if matches(row.want, row.got) != row.is {
			t.Errorf("matches(%q, %q) = %v, want %v", row.want, row.got, !row.is, row.is)
		}
	}
}
