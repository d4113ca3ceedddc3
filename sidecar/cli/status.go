package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/fabian4/gateway-homebrew-go/sidecar"
)

const (
	statusTimeout  = 3 * time.Second // a probe's; the answer takes milliseconds
	maxStatusBytes = 64 << 20        // thousands of endpoints fit into a hundredth
)

const adminVariable = "GATEWAY_ADMIN_LISTEN"

func statusCommand(p *Process) *cobra.Command {
	flags := map[string]string{}
	raw := false
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Ask a running gateway how it is; exits 0 when it is ready",
		Long: `Asks the admin port of a gateway that runs with this environment. Exits 0 when it
is ready and 1 when it is not, or does not answer: it is the probe for containers.`,
		Args: noArguments,
	}
	vars := sidecar.Variables()
	for i := range vars {
		if vars[i].Name == adminVariable {
			flags = sidecar.BindFlags(cmd.Flags(), vars[i:i+1])
		}
	}
	cmd.Flags().BoolVar(&raw, "json", false, "print what /status answers")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		listen := sidecar.Sources{Flags: flags, Environ: p.Environ}.Value(adminVariable)
		if listen == "" {
			return fmt.Errorf("%s is empty: that gateway has no admin port to ask", adminVariable)
		}
		address, err := dialable(listen)
		if err != nil {
			return fmt.Errorf("%s: %q: %w", adminVariable, listen, err)
		}
		return status(cmd.Context(), p.Stdout, address, raw)
	}
	return cmd
}

// dialable is where to ask a server that listens on an address: no host means
// every one, so loopback too.
func dialable(listen string) (string, error) {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		if form, ok := errors.AsType[*net.AddrError](err); ok {
			return "", errors.New(form.Err) // without the address: the caller shows it
		}
		return "", err
	}
	switch host {
	case "", "0.0.0.0":
		host = "127.0.0.1"
	case "::":
		host = "::1"
	}
	return net.JoinHostPort(host, port), nil
}

func status(ctx context.Context, w io.Writer, address string, raw bool) error {
	text, err := askStatus(ctx, address)
	if err != nil {
		return bad("admin port %s: %v", address, err)
	}
	var s sidecar.Status
	if err := json.Unmarshal(text, &s); err != nil {
		return bad("admin port %s: the answer is not a status: %v", address, err)
	}
	if raw {
		_, err = w.Write(text)
	} else {
		err = summary(w, &s)
	}
	if err != nil {
		return bad("%v", err)
	}
	if !s.Ready {
		return bad("") // the answer says so
	}
	return nil
}

func askStatus(ctx context.Context, address string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/status", nil)
	if err != nil {
		return nil, err
	}
	// A transport of its own: no proxy of the environment, no connection kept.
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("answered %s (is it a gateway's?)", answer.Status)
	}
	return io.ReadAll(io.LimitReader(answer.Body, maxStatusBytes))
}
