package cli

import (
	"context"
	"io"
	"os"

	"github.com/fabian4/gateway-homebrew-go/sidecar"
)

// Process is what a command may touch of the process it runs in.
type Process struct {
	Args    []string // without the program's name
	Environ []string // name=value
	Stdin   io.Reader
	Stdout  io.Writer
	Stderr  io.Writer

	// Signals is called by a verb that runs until it is told to stop. The context
	// ends with the first signal to stop; the channel has the signals to reload.
	// Other verbs leave signals to their defaults.
	Signals func(context.Context) (context.Context, <-chan os.Signal)

	// Start makes a sidecar of a bootstrap that was checked. Its error is of the
	// bootstrap, too: what Load cannot see. Nothing runs before Sidecar.Run.
	Start func(sidecar.Bootstrap, sidecar.Options) (Sidecar, error)
}

// Sidecar is what the verbs need of a gateway.
type Sidecar interface {
	// Run serves until ctx ends, drains, and returns nil when nothing was lost.
	Run(ctx context.Context) error

	// Reload reads the source and certificates anew and opens the access log again.
	// It does not wait, and may be called from any goroutine while Run runs.
	Reload()
}

// Main does what the arguments say and returns the exit code.
func Main(ctx context.Context, p Process) int {
	root := newRoot(&p)
	root.SetArgs(append([]string{}, p.Args...)) // never nil: that would mean the process's own
	root.SetIn(p.Stdin)
	root.SetErr(p.Stderr)
	return exitCode(root.ExecuteContext(ctx), p.Stderr)
}
