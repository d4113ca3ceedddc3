package cli

import (
	"context"
	"errors"
	"os"

	"github.com/spf13/cobra"

	"github.com/fabian4/gateway-homebrew-go/sidecar"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

const runLong = `gateway proxies for the app beside it: HTTP/1.1, HTTP/2, gRPC and plain TCP.

Its routes come from the environment, a file, or Consul's key-value store, and
change while it runs; its endpoints come from the same, or from Consul's
catalog. Each flag below is also an environment variable: --admin-listen is
GATEWAY_ADMIN_LISTEN. "gateway env" lists them, "gateway dev" shows it all at
work.`

func runCommand(p *Process) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "gateway",
		Short:   "The sidecar gateway for Consul users",
		Long:    runLong,
		Example: "  gateway --app 127.0.0.1:3000\n  CONSUL_HTTP_ADDR=127.0.0.1:8500 gateway --service web",
	}
	flags := bindFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		from := sidecar.Sources{Flags: flags, Environ: p.Environ}
		b, err := sidecar.Load(from)
		if err != nil {
			return err
		}
		return run(cmd.Context(), p, b, from.Settings(&b), false)
	}
	return cmd
}

// run serves until a signal says to stop. The settings are what the bootstrap was made of. eyes has what is written to
// a terminal be for people, not for programs.
func run(ctx context.Context, p *Process, b sidecar.Bootstrap, settings []sidecar.Setting, eyes bool) error {
	logger, err := telemetry.NewLogger(b.LogLevel, b.LogFormat, p.Stderr)
	if err != nil {
		return err
	}
	o := sidecar.Options{Logger: logger, Settings: settings}
	if eyes {
		p.forEyes(&o, &b)
	}
	s, err := p.Start(b, o)
	switch {
	case err != nil && sidecar.Passing(err):
		return bad("%v", err)
	case err != nil:
		return err // of the bootstrap: nothing runs yet
	}
	ctx, reloads := p.Signals(ctx)
	done := make(chan struct{})
	forwarded := make(chan struct{})
	go func() {
		defer close(forwarded)
		forwardReloads(s, reloads, done)
	}()
	err = s.Run(ctx)
	close(done)
	<-forwarded
	if _, ok := errors.AsType[*sidecar.StartError](err); ok {
		return err // of the bootstrap, too
	}
	if err != nil {
		return bad("%v", err)
	}
	return nil
}

// forwardReloads is run's: it ends when Run has returned.
func forwardReloads(s Sidecar, reloads <-chan os.Signal, done <-chan struct{}) {
	for {
		select {
		case <-reloads:
			s.Reload()
		case <-done:
			return
		}
	}
}
