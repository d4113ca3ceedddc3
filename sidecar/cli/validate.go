package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/sidecar"
)

func validateCommand(p *Process) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "validate FILE",
		Short: "Find every problem of a document (- is stdin)",
		Long: `Reads a document as a gateway with these flags and this environment would, and
lists every problem as FILE:line:column: path: what is wrong. Exits 1 if there is one.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return fmt.Errorf("validate takes one file, or - for stdin (were %d)", len(args))
			}
			return nil
		},
	}
	flags := bindFlags(cmd)
	cmd.RunE = func(_ *cobra.Command, args []string) error { return validate(p, flags, args[0]) }
	return cmd
}

func validate(p *Process, flags map[string]string, path string) error {
	// What a document may leave out, and name without defining, is the bootstrap's.
	// Where it comes from is known: this file.
	b, err := sidecar.Load(sidecar.Sources{
		Flags:    flags,
		Environ:  p.Environ,
		Defaults: map[string]string{"GATEWAY_SOURCE": string(sidecar.SourceFile), "GATEWAY_CONFIG": path},
	})
	if err != nil {
		return err
	}
	text, err := readDocument(path, p.Stdin)
	if err != nil {
		return err
	}
	d, err := config.Decode(text, b.Base())
	if err != nil {
		return problems(p.Stdout, path, err)
	}
	fmt.Fprintf(p.Stdout, "%s: fine (%s, %s, %s, revision %s)\n", path,
		count(len(d.Listeners), "listener"), count(len(d.Routes), "route"), count(len(d.Clusters), "cluster"), d.Revision)
	return nil
}

// problems lists what is wrong with the document; it is the answer, so it goes
// to stdout.
func problems(w io.Writer, path string, err error) error {
	all, ok := errors.AsType[config.Problems](err)
	if !ok {
		return bad("%s: %v", path, err)
	}
	for _, p := range all {
		fmt.Fprintf(w, "%s:%s\n", path, p)
	}
	return bad("%s: %s", path, count(len(all), "problem"))
}

// readDocument reads a file, or stdin, up to its bound.
func readDocument(path string, stdin io.Reader) ([]byte, error) {
	from := stdin
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, bad("%v", err)
		}
		defer f.Close()
		from = f
	}
	text, err := io.ReadAll(io.LimitReader(from, config.MaxDocumentBytes+1))
	if err != nil {
		return nil, bad("read %s: %s", path, strings.TrimPrefix(err.Error(), "read "+path+": "))
	}
	if len(text) > config.MaxDocumentBytes {
		return nil, bad("%s: larger than %d MiB", path, config.MaxDocumentBytes>>20)
	}
	return text, nil
}

// count writes a number of things as people do.
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
