package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/internal/passwords"
	"github.com/fabian4/gateway-homebrew-go/mtls"
	"github.com/fabian4/gateway-homebrew-go/sidecar"
)

func validateCommand(p *Process) *cobra.Command {
	withFiles := false
	cmd := &cobra.Command{
		Use:   "validate FILE...",
		Short: "Find every problem of a document (- is stdin)",
		Long: `Reads a document as a gateway with these flags and this environment would, and
lists every problem as FILE:line:column: path: what is wrong. Exits 1 if there
is one. Several files are one document, as the keys of a folder in Consul are:
in the order of their names. With --files the certificates, keys, CA files and
password files that the document names are read too.`,
		Args: filesOrStdin,
	}
	flags := bindFlags(cmd)
	cmd.Flags().BoolVar(&withFiles, "files", false,
		"read the certificates, keys, CA files and password files that the document names")
	cmd.RunE = func(_ *cobra.Command, args []string) error { return validate(p, flags, args, withFiles) }
	return cmd
}

// filesOrStdin is for verbs that take one document.
func filesOrStdin(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return fmt.Errorf("%s takes one file, several that are one document, or - for stdin (seen none)", cmd.Name())
	}
	if len(args) > 1 && slices.Contains(args, "-") {
		return fmt.Errorf("%s takes - for stdin alone, not beside files", cmd.Name())
	}
	return nil
}

func validate(p *Process, flags map[string]string, paths []string, withFiles bool) error {
	// What a document may leave out, and name without defining, is the bootstrap's.
	// Where it comes from is known: these files.
	b, err := sidecar.Load(sidecar.Sources{
		Flags:    flags,
		Environ:  p.Environ,
		Defaults: map[string]string{"GATEWAY_SOURCE": string(sidecar.SourceFile), "GATEWAY_CONFIG": paths[0]},
	})
	if err != nil {
		return err
	}
	parts, err := readParts(paths, p.Stdin)
	if err != nil {
		return err
	}
	shown := strings.Join(paths, ", ")
	d, err := config.DecodeParts(parts, b.Base())
	if err != nil {
		return problems(p.Stdout, paths, err)
	}
	if withFiles {
		if err := checkFiles(p.Stdout, shown, d); err != nil {
			return err
		}
	}
	fmt.Fprintf(p.Stdout, "%s: fine (%s, %s, %s, revision %s)\n", shown,
		sidecar.Count(len(d.Listeners), "listener"), sidecar.Count(len(d.Routes), "route"),
		sidecar.Count(len(d.Clusters), "cluster"),
		d.Revision)
	return nil
}

// readParts reads one document, or several as those of a folder in Consul: each is named as its key would be.
func readParts(paths []string, stdin io.Reader) ([]config.Part, error) {
	if len(paths) == 1 {
		text, err := readDocument(paths[0], stdin)
		return []config.Part{{Data: text}}, err
	}
	var parts []config.Part
	for _, path := range paths {
		text, err := readDocument(path, nil)
		if err != nil {
			return nil, err
		}
		name := filepath.Base(path)
		if slices.ContainsFunc(parts, func(p config.Part) bool { return p.Name == name }) {
			return nil, bad("%s: there is another %s, and a folder in Consul has each name once", path, name)
		}
		parts = append(parts, config.Part{Name: name, Data: text})
	}
	return parts, nil
}

// problems lists what is wrong with the document. It goes to stdout: it is what was asked for.
func problems(w io.Writer, paths []string, err error) error {
	shown := strings.Join(paths, ", ")
	all, ok := errors.AsType[config.Problems](err)
	if !ok {
		return bad("%s: %v", shown, err)
	}
	for _, p := range all {
		at := paths[0]
		if p.Part != "" {
			at = paths[slices.IndexFunc(paths, func(path string) bool { return filepath.Base(path) == p.Part })]
		}
		p.Part = ""
		fmt.Fprintf(lineWriter{w}, "%s:%s\n", at, p)
	}
	return bad("%s: %s", shown, sidecar.Count(len(all), "problem"))
}

// checkFiles reads the files that a document names, as a gateway does before it serves the document.
func checkFiles(w io.Writer, shown string, d *config.Document) error {
	certs := mtls.NewSet(mtls.Options{Unwatched: true})
	defer certs.Close()
	users := passwords.NewSet(passwords.Options{Unwatched: true})
	defer users.Close()
	_, err := certs.Prepare(d)
	_, usersErr := users.Prepare(d)
	if err = errors.Join(err, usersErr); err == nil {
		return nil
	}
	all := strings.Split(err.Error(), "\n")
	for _, line := range all {
		fmt.Fprintf(w, "%s: %s\n", shown, line)
	}
	return bad("%s: %s", shown, sidecar.Count(len(all), "problem"))
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
