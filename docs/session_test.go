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
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
)

var update = flag.Bool("update", false, "write the outputs of the pages anew")

// longestWait is how long all commands of one page may take.
const longestWait = 5 * time.Minute

// tools are what the pages call besides the gateway, Consul and a Collector.
var tools = []string{"bash", "curl", "openssl", "redis-server", "redis-cli"}

// TestCommands runs the commands of each page as a reader would, with the real
// gateway and, where a page wants it, a real Consul.
func TestCommands(t *testing.T) {
	gateway := gatewayProgram(t)
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
			t.Parallel()
			s := newSession(t, p, gateway, ports)
			outputs, err := s.run(t, p)
			if err != nil && strings.Contains(s.logs(t), "address already in use") {
				s = newSession(t, p, gateway, ports) // somebody else on this machine was faster
				outputs, err = s.run(t, p)
			}
			if err != nil {
				t.Fatalf("%v%s", err, s.logs(t))
			}
			s.compare(t, p, outputs)
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
			// As an editor saves: a gateway that follows the file must not see it empty.
			fmt.Fprintf(&b, "cat > %[1]s.new <<'END OF DOCUMENT'\n%[2]sEND OF DOCUMENT\nmv %[1]s.new %[1]s\n",
				block.file, text)
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
func (s *session) run(t *testing.T, p *page) ([]string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), longestWait)
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
		return nil, fmt.Errorf("%w; output:\n%s", errors.Join(err, ctx.Err()), text)
	}
	// What curl -i shows has HTTP's line ends; a page has those of text.
	lines := strings.ReplaceAll(string(text), "\r\n", "\n")
	outputs := strings.Split(s.back.Replace(lines), "\n"+end+"\n")
	return outputs[:len(outputs)-1], nil
}

// logs are the ends of what the page's commands wrote into files.
func (s *session) logs(t *testing.T) string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(s.dir, "*.log"))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "\n%s:\n%s", filepath.Base(name), text[max(0, len(text)-2000):])
	}
	return b.String()
}
