package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/fabian4/gateway-homebrew-go/proxy/route"
	"github.com/fabian4/gateway-homebrew-go/sidecar"
)

func explainCommand(p *Process) *cobra.Command {
	var q route.ExplainRequest
	raw, id := false, ""
	cmd := &cobra.Command{
		Use:   "explain METHOD URL | --id ID",
		Short: "Ask a running gateway which route a request would take, or what became of one",
		Long: `Asks the admin port of a gateway that runs with this environment which route a
request would take and why the others lost, to which endpoints it could go, and
which timeouts would hold for it. Nothing is sent anywhere. Exits 0 when there
is a route, and 1 when there is none or the gateway does not answer.

With --id it tells what became of a request that failed or was slow: who
answered, why, and how each attempt ended. Exits 1 when the gateway does not
have it (any more).`,
		Example: `  gateway explain GET http://shop.example.com/orders/7 -H 'X-Canary: 1'
  gateway explain --id 2f1c7d0e-5d3b-4b55-9a5e-d7b1d0f4a6c1`,
		Args: func(cmd *cobra.Command, args []string) error {
			byID := cmd.Flags().Changed("id")
			switch {
			case byID && id == "":
				return errors.New("--id: want the X-Request-Id of a request (seen none)")
			case byID && len(args) > 0:
				return fmt.Errorf("explain --id takes no argument (seen %q)", args[0])
			case !byID && len(args) != 2:
				return fmt.Errorf("explain takes a method and a URL, such as GET http://shop.example.com/orders "+
					"(seen %s)", sidecar.Count(len(args), "argument"))
			case !byID:
				return nil
			}
			for _, flag := range []string{"header", "listener", "source", "identity"} {
				if cmd.Flags().Changed(flag) {
					return fmt.Errorf("explain --id takes no --%s: it is of a request that was made", flag)
				}
			}
			return nil
		},
		ValidArgsFunction: completeMethod,
	}
	flags := bindAdminFlag(cmd)
	cmd.Flags().StringArrayVarP(&q.Fields, "header", "H", nil,
		"a header of the request, as 'Name: value'; may be repeated")
	cmd.Flags().StringVar(&q.Listener, "listener", "",
		"name of the listener where it comes in; needed if routes depend on it and the URL's port does not say it")
	cmd.Flags().StringVar(&q.Source, "source", "",
		"address of the client; needed if routes depend on it")
	cmd.Flags().StringVar(&q.Identity, "identity", "",
		"a name of the client's certificate, such as its SPIFFE URI, for routes that ask who may")
	cmd.Flags().StringVar(&id, "id", "", "X-Request-Id of a request that failed or was slow")
	cmd.Flags().BoolVar(&raw, "json", false, "print what /explain answers, or /failures with --id")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		address, err := adminAddress(p, flags)
		if err != nil {
			return err
		}
		if id != "" {
			return explainFailure(cmd.Context(), p.Stdout, address, id, raw)
		}
		q.Method, q.URL = args[0], args[1]
		return explain(cmd.Context(), p.Stdout, address, &q, raw)
	}
	return cmd
}

// completeMethod knows the first argument; the second is the user's.
func completeMethod(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}, cobra.ShellCompDirectiveNoFileComp
}

func explain(ctx context.Context, w io.Writer, address string, q *route.ExplainRequest, raw bool) error {
	values := url.Values{"method": {q.Method}, "url": {q.URL}, "header": q.Fields}
	if q.Listener != "" {
		values.Set("listener", q.Listener)
	}
	if q.Source != "" {
		values.Set("source", q.Source)
	}
	if q.Identity != "" {
		values.Set("identity", q.Identity)
	}
	text, err := ask(ctx, http.MethodGet, address, "/explain?"+values.Encode())
	if err != nil {
		return err
	}
	var e route.Explanation
	if err := json.Unmarshal(text, &e); err != nil {
		return bad("admin port %s: the response is not an explanation: %v", address, err)
	}
	if raw {
		_, err = w.Write(text)
	} else {
		err = explanation(w, &e)
	}
	if err != nil {
		return ioError(err)
	}
	if e.Route == nil {
		return bad("") // the response says so
	}
	return nil
}
