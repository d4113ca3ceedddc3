package sidecar_test

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"syscall"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
)

// A developer's terminal shows a short line for each request, in colours unless they are not wanted. Each problem of a
// document is on a line of its own.
func TestDevOnATerminal(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		environ        []string
		args           []string
		shows, without []string // patterns
	}{
		"coloured": {nil, nil, []string{
			`(?m)^\d\d:\d\d:\d\d GET    /status/503 +\x1b\[31m503\x1b\[0m +\d+\.\d ms  / +→ 127\.0\.0\.1:\d+\r$`,
			`\x1b\[32m200\x1b\[0m +\d+\.\d ms  hello +→ `,
			`(?m)^\W+\| \W*2:29: routes\[0\].cluster: cluster none is not defined .*\r\n\W+\| \W*3:12: clusters\[0\]: `,
		}, []string{`"method"`}},
		"plain": {[]string{"NO_COLOR=1"}, nil, []string{
			`GET    /status/503 +503 +\d+\.\d ms  / +→ 127\.0\.0\.1:\d+\r\n`, `\r\n\W+\| \W*3:12: clusters\[0\]: `,
		}, []string{`\x1b\[3[1-6]m[2-5]\d\d`, `"method"`}},
		"JSON": {nil, []string{"--log-format", "json"}, []string{`"path":"/status/503","query":"","host"`},
			[]string{`→`}},
		"fields": {nil, []string{"--access-log-fields", "path,status"}, []string{
			`{"path":"/status/503","status":503}`, `\r\n\W+\| \W*3:12: clusters\[0\]: `}, []string{`→`}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path, err := binary()
			if err != nil {
				t.Fatal(err)
			}
			ours, theirs := testserver.Terminal(t, 120, 40)
			dir, listen, admin := t.TempDir(), testserver.Addr(t), testserver.Addr(t)
			args := append([]string{"dev", "--listen", listen, "--admin-listen", admin}, row.args...)
			cmd := exec.Command(path, args...)
			cmd.Dir, cmd.Env = dir, append([]string{"PATH=" + os.Getenv("PATH"), "TERM=xterm"}, row.environ...)
			cmd.Stdout, cmd.Stderr = theirs, theirs
			cmd.SysProcAttr = testserver.DieWithParent()
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			var s testserver.Log
			go func() { _, _ = io.Copy(&s, ours) }() // ends with the terminal
			testserver.WaitFor(t, longestWait, "the gateway to be ready", func() bool {
				code, _, err := fetch("http://" + admin + "/ready")
				return err == nil && code == 200
			})
			for _, p := range []string{"/status/503", "/hello"} {
				if _, _, err := fetch("http://" + listen + p); err != nil {
					t.Error(err)
				}
			}
			write(t, filepath.Join(dir, "gateway.dev.yaml"),
				"listeners: [{name: other, address: 127.0.0.1:0, protocol: http}]\n"+
					"routes: [{name: a, cluster: none}]\nclusters: [{name: c, endpoint: x}]\n")
			for _, want := range row.shows {
				is := regexp.MustCompile(want)
				testserver.WaitFor(t, longestWait, "the terminal to show "+want,
					func() bool { return is.MatchString(s.String()) })
			}
			for _, no := range row.without {
				if regexp.MustCompile(no).MatchString(s.String()) {
					t.Errorf("the terminal shows %s:\n%s", no, s.String())
				}
			}
			if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			if err := cmd.Wait(); err != nil {
				t.Errorf("%v:\n%s", err, s.String())
			}
		})
	}
}
