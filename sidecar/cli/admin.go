package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/sidecar"
)

const (
	adminTimeout  = 3 * time.Second // a probe's; the response takes milliseconds
	maxAdminBytes = 64 << 20        // thousands of endpoints fit into a hundredth
)

const adminVariable = "GATEWAY_ADMIN_LISTEN"

// bindAdminFlag adds the flag that says where the admin port is.
func bindAdminFlag(cmd *cobra.Command) map[string]string {
	vars := sidecar.Variables()
	for i := range vars {
		if vars[i].Name == adminVariable {
			return sidecar.BindFlags(cmd.Flags(), vars[i:i+1])
		}
	}
	panic("BUG: there is no variable " + adminVariable)
}

// adminAddress is where to ask the gateway that runs with these flags and this
// environment.
func adminAddress(p *Process, flags map[string]string) (string, error) {
	listen := sidecar.Sources{Flags: flags, Environ: p.Environ}.Value(adminVariable)
	if listen == "" {
		return "", fmt.Errorf("%s is empty: that gateway has no admin port to ask", adminVariable)
	}
	address, err := dialable(listen)
	if err != nil {
		return "", fmt.Errorf("%s: %q: %w", adminVariable, listen, err)
	}
	return address, nil
}

// dialable is where to ask a server that listens on an address: no host means
// every one, so loopback too.
func dialable(listen string) (string, error) {
	listen, err := config.ListenAddress(listen)
	if err != nil {
		return "", err // without the address: the caller shows it
	}
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
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

// refusedError is what the admin port says is wrong with the question: usage.
type refusedError struct{ text string }

func (e *refusedError) Error() string { return e.text }

// askAdmin gets what the admin port answers to a request without a body. An error that is no
// refusedError is about the port.
func askAdmin(ctx context.Context, method, address, target string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, adminTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, "http://"+address+target, nil)
	if err != nil {
		return nil, err
	}
	// A transport of its own: no proxy of the environment, no connection kept.
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Do(r)
	if err != nil {
		return nil, withoutURL(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxAdminBytes))
	switch {
	case err != nil:
		return nil, err
	case answer.StatusCode == http.StatusOK:
		return text, nil
	case answer.StatusCode == http.StatusBadRequest:
		return nil, &refusedError{firstLine(text)}
	case answer.StatusCode == http.StatusServiceUnavailable:
		return nil, errors.New(firstLine(text))
	}
	return nil, fmt.Errorf("answered %s (is it a gateway's?)", answer.Status)
}

// ask is askAdmin for a verb: its error is what the verb ends with.
func ask(ctx context.Context, method, address, target string) ([]byte, error) {
	text, err := askAdmin(ctx, method, address, target)
	if refused, ok := errors.AsType[*refusedError](err); ok {
		return nil, refused
	}
	if errors.Is(err, syscall.ECONNREFUSED) {
		return nil, bad("admin port %s: %v: no gateway listens there (--admin-listen says where one does)", address,
			err)
	}
	if err != nil {
		return nil, bad("admin port %s: %v", address, err)
	}
	return text, nil
}

// withoutURL is what went wrong with a request, without the method and the address, which the caller tells.
func withoutURL(err error) error {
	if request, ok := errors.AsType[*url.Error](err); ok {
		err = request.Err
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
		err = op.Err
	}
	return err
}

// ioError is a failed write of the response.
func ioError(err error) error {
	if err != nil {
		return bad("%v", err)
	}
	return nil
}

// firstLine is all of what a gateway says is wrong, and enough of what another says.
func firstLine(text []byte) string {
	line, _, _ := strings.Cut(strings.TrimSpace(string(text)), "\n")
	return line
}
