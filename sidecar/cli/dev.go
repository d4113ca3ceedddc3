package cli

import (
	"context"
	_ "embed" // for the document
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"strconv"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/fabian4/gateway-homebrew-go/sidecar"
)

//go:embed dev.yaml
var devDocument []byte

// What dev has instead of the table's defaults. It listens on loopback: a
// developer's machine is in networks that should not see what is being tried.
const (
	devConfig      = "gateway.dev.yaml"
	devListen      = "127.0.0.1:8080"
	devAdminListen = "127.0.0.1:9901"
)

func devCommand(p *Process) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "dev",
		Short: "Try it: a demo app (or --app), a document to edit, and what to curl",
		Long: `Runs a gateway that needs nothing else: in front of a small demo app, or of
yours with --app. Its document is in the working directory (` + devConfig + `,
written if it is missing) and is live as soon as it is saved.`,
		Example: "  gateway dev\n  gateway dev --app 127.0.0.1:3000",
		Args:    noArguments,
	}
	flags := bindFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return dev(cmd.Context(), p, sidecar.Sources{Flags: flags, Environ: p.Environ})
	}
	return cmd
}

func dev(ctx context.Context, p *Process, from sidecar.Sources) error {
	from.Defaults = map[string]string{
		"GATEWAY_SOURCE":      string(sidecar.SourceFile),
		"GATEWAY_CONFIG":      devConfig,
		"GATEWAY_LOG_FORMAT":  "text",
		"GATEWAY_DRAIN_DELAY": "0s",
	}
	app := "your app"
	if from.Value("GATEWAY_APP") == "" {
		app = "the demo app"
		demo, err := startDemo()
		if err != nil {
			return bad("demo app: %v", err)
		}
		defer demo.close()
		from.Defaults["GATEWAY_APP"] = demo.address()
	}
	var moved []string
	for _, own := range []struct{ name, flag, address string }{
		{"GATEWAY_LISTEN", "--listen", devListen},
		{"GATEWAY_ADMIN_LISTEN", "--admin-listen", devAdminListen},
	} {
		address, err := freeAddress(own.address)
		if err != nil && !from.Given(own.name) {
			return bad("%s: %v (choose another with %s)", own.address, err, own.flag)
		}
		from.Defaults[own.name] = address
		if address != own.address && !from.Given(own.name) {
			moved = append(moved, fmt.Sprintf("%s is taken, so this is on %s (choose with %s).", own.address, address,
				own.flag))
		}
	}
	b, err := sidecar.Load(from)
	if err != nil {
		return err
	}
	wrote, err := writeDevDocument(b)
	if err != nil {
		return bad("%v", err)
	}
	devGreeting(p.Stdout, b, app, wrote, moved)
	return run(ctx, p, b, from.Settings(&b), true)
}

// freeAddress gives the address, or one with the next free port when it is taken.
// Another process may take it before we do; then starting fails, and says so.
func freeAddress(address string) (string, error) {
	host, first, err := net.SplitHostPort(address)
	if err != nil {
		return "", err
	}
	port, err := strconv.Atoi(first)
	if err != nil {
		return "", err
	}
	const tries = 20
	for next := port; next < port+tries; next++ {
		address := net.JoinHostPort(host, strconv.Itoa(next))
		l, err := net.Listen("tcp", address)
		if err == nil {
			return address, l.Close()
		}
		if !errors.Is(err, syscall.EADDRINUSE) {
			return "", err
		}
	}
	return "", fmt.Errorf("taken, and so are the %d ports after it", tries-1)
}

// writeDevDocument writes the document if there is none. It never overwrites one.
func writeDevDocument(b sidecar.Bootstrap) (wrote bool, err error) {
	if b.Source != sidecar.SourceFile {
		return false, nil
	}
	f, err := os.OpenFile(b.Config, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	_, err = f.Write(devDocument)
	return true, errors.Join(err, f.Close())
}

// devGreeting says what runs and what to try.
func devGreeting(w io.Writer, b sidecar.Bootstrap, app string, wrote bool, moved []string) {
	for _, line := range moved {
		fmt.Fprintln(w, line)
	}
	fmt.Fprintf(w, "The gateway is in front of %s (%s).\n\n", app, b.App)
	if b.Listen != "" {
		url, curl := devURL(b)
		fmt.Fprintf(w, "Try     %s %s/\n", curl, url)
		fmt.Fprintf(w, "        %s -i %s/hello\n", curl, url)
		fmt.Fprintf(w, "        %s -i %s/status/503\n", curl, url)
	}
	if b.Source == sidecar.SourceFile {
		note := ""
		if wrote {
			note = ", written just now"
		}
		fmt.Fprintf(w, "Edit    %s (live when saved%s)\n", b.Config, note)
	}
	if b.AdminListen != "" {
		fmt.Fprintf(w, "Look    http://%s/\n", reachable(b.AdminListen))
	}
	fmt.Fprint(w, "Stop    Ctrl-C\n\n")
}

// devURL is where the default listener is reached, and with which command.
func devURL(b sidecar.Bootstrap) (url, curl string) {
	if len(b.TLSCerts) > 0 {
		return "https://" + reachable(b.Listen), "curl -k"
	}
	return "http://" + reachable(b.Listen), "curl"
}

// reachable is dialable for an address that was checked.
func reachable(listen string) string {
	address, err := dialable(listen)
	if err != nil {
		return listen
	}
	return address
}
