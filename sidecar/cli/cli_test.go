package cli

import (
	"bytes"
	"context"
	"os"
	"strings"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/sidecar"
)

// outcome is what a command left behind.
type outcome struct {
	code           int
	stdout, stderr string
}

// do runs one command. Processes that must not be touched are nil.
func do(t *testing.T, p Process, args ...string) outcome {
	t.Helper()
	var stdout, stderr bytes.Buffer
	p.Args, p.Stdout, p.Stderr = args, &stdout, &stderr
	if p.Stdin == nil {
		p.Stdin = strings.NewReader("")
	}
	code := Main(t.Context(), p)
	return outcome{code, stdout.String(), stderr.String()}
}

func TestUsage(t *testing.T) {
	for _, row := range []struct {
		args string
		env  []string
		code int
		want string // on stderr
	}{
		{"stauts", nil, 2, "gateway: there is no verb \"stauts\" (perhaps status)\n"},
		{"frobnicate", nil, 2, "gateway: there is no verb \"frobnicate\" (there are check, completion, dev, diff, " +
			"env, explain, failures, fleet, help, history, log, push, rollback, status, top, validate, version)\n"},
		{"--lisen :80", nil, 2, "gateway: unknown flag --lisen (perhaps --listen)\n"},
		{"--frobnicate", nil, 2, "gateway: unknown flag --frobnicate (gateway --help lists them)\n"},
		{"-listen :80", nil, 2, "gateway: unknown flag -listen (perhaps --listen)\n"},
		{"dev --lisen :80", nil, 2, "gateway: unknown flag --lisen (perhaps --listen)\n"},
		{"--listen", nil, 2, "gateway: --listen needs a value\n"},
		{"dev x", nil, 2, "gateway: dev takes no argument (seen \"x\")\n"},
		{"env x", nil, 2, "gateway: env takes no argument (seen \"x\")\n"},
		{"check x", nil, 2, "gateway: check takes no argument (seen \"x\")\n"},
		{"version x", nil, 2, "gateway: version takes no argument (seen \"x\")\n"},
		{"version --listen :80", nil, 2, "gateway: unknown flag --listen (gateway version --help lists them)\n"},
		{"validate", nil, 2,
			"gateway: validate takes one file, several that are one document, or - for stdin (seen none)\n"},
		{"validate a -", nil, 2, "gateway: validate takes - for stdin alone, not beside files\n"},
		{"puhs a", nil, 2, "gateway: there is no verb \"puhs\" (perhaps push)\n"},
		{"help stauts", nil, 2, "gateway: there is no verb \"stauts\" (perhaps status)\n"},
		{"", []string{"GATEWAY_LISTEN=80", "GATEWAY_PRPOF=true"}, 2,
			"gateway: env GATEWAY_PRPOF: unknown variable (perhaps GATEWAY_PPROF)\ngateway: env GATEWAY_LISTEN: " +
				"\"80\": want host:port: write :80\n"},
		{"--listen 80 --pprof=x", nil, 2, "gateway: flag --listen: \"80\": want host:port: write :80\ngateway: flag " +
			"--pprof: \"x\": neither true nor false\n"},
		{"--app http://127.0.0.1:3000", nil, 2,
			"gateway: flag --app: \"http://127.0.0.1:3000\": want host:port, without http://\n"},
		{"completion", nil, 2, "gateway: completion takes one of bash, fish, powershell, zsh (seen \"\")\n"},
		{"completion ksh", nil, 2, "gateway: completion takes one of bash, fish, powershell, zsh (seen \"ksh\")\n"},
		{"explain GET", nil, 2, "gateway: explain takes a method and a URL, such as GET " +
			"http://shop.example.com/orders (seen 1 argument)\n"},
		{"run", nil, 2, "gateway: there is no verb \"run\" (gateway without a verb runs)\n"},
		{"status --wait 5", nil, 2,
			"gateway: --wait: want a duration with its unit, such as 30s or 5m (seen \"5\")\n"},
		{"failures -n 0", nil, 2, "gateway: --number: want a number from 1 to 200 (seen \"0\")\n"},
		{"failures -n 201", nil, 2, "gateway: --number: want a number from 1 to 200 (seen \"201\")\n"},
		{"failures -n x", nil, 2, "gateway: --number: want a whole number (seen \"x\")\n"},
		{"status --json=x", nil, 2, "gateway: --json: want true or false, or no value for true (seen \"x\")\n"},
		{"completion bash x", nil, 2, "gateway: bash takes no argument (seen \"x\")\n"},
		{"log loud", nil, 2,
			"gateway: log takes a level, one of trace, debug, info, warn, error, off (seen \"loud\")\n"},
		{"status --admin-listen 127.0.0.1:1", nil, 1, "gateway: admin port 127.0.0.1:1: connect: connection refused: " +
			"no gateway listens there (--admin-listen says where one does)\n"},
		{"explain --id=", nil, 2, "gateway: --id: want the X-Request-Id of a request (seen none)\n"},
		{"explain --id a -H x:y", nil, 2,
			"gateway: explain --id takes no --header: it is of a request that was made\n"},
		{"explain --id a b", nil, 2, "gateway: explain --id takes no argument (seen \"b\")\n"},
		{"log", nil, 2,
			"gateway: log takes a level, one of trace, debug, info, warn, error, off (seen \"\")\n"},
		{"failures x", nil, 2, "gateway: failures takes no argument (seen \"x\")\n"},
		{"explain GET http://a/ -H", nil, 2, "gateway: --header needs a value\n"},
		{"explain GET http://a/", []string{"GATEWAY_ADMIN_LISTEN="}, 2,
			"gateway: GATEWAY_ADMIN_LISTEN is empty: that gateway has no admin port to ask\n"},
		{"status", []string{"GATEWAY_ADMIN_LISTEN="}, 2,
			"gateway: GATEWAY_ADMIN_LISTEN is empty: that gateway has no admin port to ask\n"},
		{"status --admin-listen 9901", nil, 2,
			"gateway: GATEWAY_ADMIN_LISTEN: \"9901\": want host:port: write :9901\n"},
	} {
		got := do(t, Process{Environ: row.env}, strings.Fields(row.args)...)
		if got.code != row.code || got.stderr != row.want || got.stdout != "" {
			t.Errorf("gateway %s: %+v, want code %d, stderr %q", row.args, got, row.code, row.want)
		}
	}
}

func TestAnswers(t *testing.T) {
	for _, row := range []struct{ args, want string }{
		{"version", "gateway "},
		{"--version", "gateway " + sidecar.Built().String() + "\n"},
		{"env", "\nGATEWAY_ADMIN_LISTEN is --admin-listen.\n"},
		{"--help", "--admin-listen"},
		{"help", "--admin-listen"},
		{"help status", "Exits 0 when\nit"},
		{"dev --help", "--app"},
		{"completion bash", "bash completion"},
		{"completion zsh", "#compdef gateway"},
		{"completion fish", "fish completion"},
		{"__complete sta", "status\t"},
		{"__complete explain P", "PATCH\n"},
		{"__complete explain GET --li", "--listener"},
		{"__complete --admin-l", "--admin-listen"},
		{"__complete --source ", "consul\n"},
	} {
		args := strings.Split(row.args, " ")
		got := do(t, Process{}, args...)
		if got.code != 0 || !strings.Contains(got.stdout, row.want) {
			t.Errorf("gateway %s: code %d, stderr %q, stdout without %q:\n%s", row.args, got.code, got.stderr, row.want,
				got.stdout)
		}
	}
}

// fake is a sidecar that does nothing but tell what happens to it.
type fake struct {
	boot    sidecar.Bootstrap
	running func() // called when Run begins
	result  error  // of Run
	reloads chan struct{}
}

func (f *fake) Run(ctx context.Context) error {
	if f.running != nil {
		f.running()
	}
	<-ctx.Done()
	return f.result
}

func (f *fake) Reload() { f.reloads <- struct{}{} }

// process is a Process that starts the fake, with the two ends of its signals.
func (f *fake) process(environ ...string) (p Process, stop func(), hup chan os.Signal) {
	f.reloads = make(chan struct{}, 1)
	hup = make(chan os.Signal, 1)
	stopped := make(chan struct{})
	p = Process{
		Environ: environ,
		Signals: func(ctx context.Context) (context.Context, <-chan os.Signal) {
			ctx, cancel := context.WithCancel(ctx)
			go func() {
				<-stopped
				cancel()
			}()
			return ctx, hup
		},
		Start: func(b sidecar.Bootstrap, _ sidecar.Options) (Sidecar, error) {
			f.boot = b
			return f, nil
		},
	}
	return p, func() { close(stopped) }, hup
}
