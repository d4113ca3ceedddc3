package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/fabian4/gateway-homebrew-go/sidecar"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

func failuresCommand(p *Process) *cobra.Command {
	n, raw := 20, false
	cmd := &cobra.Command{
		Use:   "failures",
		Short: "Show the last requests of a running gateway that failed or were slow",
		Long: `Asks the admin port of a gateway that runs with this environment for the last
requests and connections that failed, or took longer than access_log.slow: why,
and how each attempt ended. The newest comes first. Exits 0 also when there are
none.

One of them, by its X-Request-Id: gateway explain --id ID.`,
		Example: `  gateway failures -n 5`,
		Args:    noArguments,
	}
	flags := bindAdminFlag(cmd)
	cmd.Flags().IntVarP(&n, "number", "n", n, "how many at most, up to 200")
	cmd.Flags().BoolVar(&raw, "json", false, "print what /failures answers")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if n < 1 || n > sidecar.MostFailures {
			return fmt.Errorf("--number: want a number from 1 to %d (seen \"%d\")", sidecar.MostFailures, n)
		}
		address, err := adminAddress(p, flags)
		if err != nil {
			return err
		}
		list, text, err := askFailures(cmd.Context(), address, url.Values{"n": {strconv.Itoa(n)}})
		switch {
		case err != nil:
			return err
		case raw:
			_, err = p.Stdout.Write(text)
		default:
			err = failureLines(p.Stdout, list)
		}
		return ioError(err)
	}
	return cmd
}

// explainFailure tells what became of the request with an id.
func explainFailure(ctx context.Context, w io.Writer, address, id string, raw bool) error {
	list, text, err := askFailures(ctx, address, url.Values{"id": {id}, "n": {strconv.Itoa(sidecar.MostFailures)}})
	switch {
	case err != nil:
		return err
	case raw:
		_, err = w.Write(text)
	default:
		for i := range list.Failures {
			failureDetails(w, &list.Failures[i])
		}
	}
	if err != nil {
		return ioError(err)
	}
	if len(list.Failures) == 0 {
		return bad("request %s: is not among the last that failed or were slow%s", id, leftOut(list.LeftOut))
	}
	return nil
}

func askFailures(ctx context.Context, address string, question url.Values) (
	list *sidecar.FailureList, text []byte, err error,
) {
	if text, err = ask(ctx, http.MethodGet, address, "/failures?"+question.Encode()); err != nil {
		return nil, nil, err
	}
	if err := json.Unmarshal(text, &list); err != nil {
		return nil, nil, bad("admin port %s: the response is not a list of failures: %v", address, err)
	}
	return list, text, nil
}

// failureLines tells of each failure in a line, and of each attempt in one more.
func failureLines(w io.Writer, list *sidecar.FailureList) error {
	var b strings.Builder
	line := func(format string, values ...any) { b.WriteString(printable(fmt.Sprintf(format, values...)) + "\n") }
	for i := range list.Failures {
		f := &list.Failures[i]
		line("%s  %s  %s, %s", stamp(f.Time), verdict(f), subject(f), took(f.DurationMS))
		for j := range f.Attempts {
			line("    %s", attemptLine(f, j))
		}
		if len(f.Attempts) == 0 && f.Reason != "" {
			line("    %s", f.Reason)
		}
		if n := len(f.Attempts); n > 0 && f.Reason != "" && f.Reason != f.Attempts[n-1].Reason {
			line("    %s", f.Reason)
		}
		if rest := strings.TrimPrefix(when(f.Route != "", ", route "+f.Route)+
			when(f.RequestID != "", ", id "+f.RequestID), ", "); rest != "" {
			line("    %s", rest)
		}
	}
	switch {
	case len(list.Failures) == 0:
		line("nothing has failed%s", leftOut(list.LeftOut))
	case list.LeftOut > 0:
		line("%d more came too fast to be kept", list.LeftOut)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// failureDetails tells all that is known of one failure.
func failureDetails(w io.Writer, f *telemetry.Failure) {
	line := func(name, format string, values ...any) {
		if text := strings.TrimSpace(fmt.Sprintf(format, values...)); text != "" {
			fmt.Fprintf(w, "%-10s %s\n", name, printable(text))
		}
	}
	line("request", "%s", subject(f))
	line("response", "%s", verdict(f))
	line("reason", "%s", f.Reason)
	line("time", "%s, took %s%s", stamp(f.Time), took(f.DurationMS), when(f.Slow, " (slow)"))
	line("client", "%s on listener %s", f.RemoteIP, f.Listener)
	line("route", "%s", f.Route)
	line("cluster", "%s", f.Cluster)
	line("revision", "%s", f.Revision)
	for i := range f.Attempts {
		line(fmt.Sprint("attempt ", i+1), "%s", attemptLine(f, i))
	}
	line("id", "%s", f.RequestID)
	line("trace", "%s", f.TraceID)
}

// verdict is what the client got, and why in letters.
func verdict(f *telemetry.Failure) string {
	var words []string
	if f.Status != 0 {
		words = append(words, strconv.Itoa(f.Status))
	}
	if f.GRPCStatus != nil {
		words = append(words, "grpc-status "+strconv.Itoa(*f.GRPCStatus))
	}
	if f.Flag != "" {
		words = append(words, f.Flag)
	}
	if f.Slow {
		words = append(words, "slow")
	}
	return strings.Join(words, " ")
}

// subject is what was asked for.
func subject(f *telemetry.Failure) string {
	if f.Method == "" {
		return f.Protocol + when(f.Host != "", " "+f.Host) + " on listener " + f.Listener
	}
	return f.Method + " " + f.Host + f.Path
}

func attemptLine(f *telemetry.Failure, i int) string {
	a := &f.Attempts[i]
	text := fmt.Sprintf("%s, begun after %s, took %s", a.Upstream, took(a.AfterMS), took(a.DurationMS))
	if a.Status != 0 {
		text += ": " + strconv.Itoa(a.Status)
	}
	if a.GRPCStatus != nil {
		text += " grpc-status " + strconv.Itoa(*a.GRPCStatus)
	}
	if a.Flag != "" {
		text += ": " + a.Flag
	}
	if a.Reason != "" {
		text += ": " + a.Reason
	}
	return text
}

func leftOut(n uint64) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(" (%d came too fast to be kept)", n)
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

func took(ms float64) string { return strconv.FormatFloat(ms, 'f', 1, 64) + " ms" }
