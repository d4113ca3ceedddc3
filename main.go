// Command gateway is a sidecar gateway for Consul users. This file is what of the process
// no test can have: its arguments, environment, signals and exit code.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/fabian4/gateway-homebrew-go/sidecar"
	"github.com/fabian4/gateway-homebrew-go/sidecar/cli"
)

func main() {
	os.Exit(cli.Main(context.Background(), cli.Process{
		Args:    os.Args[1:],
		Environ: os.Environ(),
		Stdin:   os.Stdin,
		Stdout:  os.Stdout,
		Stderr:  os.Stderr,
		Signals: signals,
		Start: func(b sidecar.Bootstrap, o sidecar.Options) (cli.Sidecar, error) {
			return sidecar.New(b, o)
		},
	}))
}

// signals ends the context at the first SIGTERM or SIGINT, which begins the drain,
// and the process at the second. Reloads come as SIGHUP.
func signals(ctx context.Context) (context.Context, <-chan os.Signal) {
	// A log's reader that goes away costs its lines, not the app's traffic. Writing to a closed stdout or stderr is
	// then an error instead of the end of the process.
	signal.Ignore(syscall.SIGPIPE)

	reloads := make(chan os.Signal, 1)
	signal.Notify(reloads, syscall.SIGHUP)

	ctx, stop := context.WithCancel(ctx)
	stops := make(chan os.Signal, 2)
	signal.Notify(stops, syscall.SIGTERM, syscall.SIGINT)
	go func() { // for as long as the process lives
		<-stops
		stop()
		<-stops
		os.Exit(1)
	}()
	return ctx, reloads
}
