package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/fabian4/gateway-homebrew-go/sidecar"
	"github.com/fabian4/gateway-homebrew-go/sidecar/checkup"
)

// checkTimeout bounds all of it.
const checkTimeout = time.Minute

func checkCommand(p *Process) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Check all that a gateway needs around it; exits 1 if something is wrong",
		Long: `Looks at all that a gateway with these flags and this environment needs:
Consul, the rights of the token, the document, its services, certificates and
other files, descriptors, ports, the clock, the Collector. It tells of each
that it is well, or what is wrong and what to do. It works before the first
start, too. Where the gateway runs, its own trouble is told as well, and its
ports are its own. Exits 1 if something is wrong.`,
		Example: "  gateway check\n  CONSUL_HTTP_ADDR=127.0.0.1:8500 gateway check --service web",
		Args:    noArguments,
	}
	raw := false
	flags := bindFlags(cmd)
	cmd.Flags().BoolVar(&raw, "json", false, "print all that was found, for programs")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		ctx, cancel := context.WithTimeout(cmd.Context(), checkTimeout)
		defer cancel()
		return check(ctx, p, flags, raw)
	}
	return cmd
}

func check(ctx context.Context, p *Process, flags map[string]string, raw bool) error {
	show := showSections
	if raw {
		show = writeSections
	}
	settings, from := checkup.Section{Name: "settings"}, sidecar.Sources{Flags: flags, Environ: p.Environ}
	b, err := sidecar.Load(from)
	if all, ok := errors.AsType[sidecar.Problems](err); ok {
		for _, problem := range all {
			settings.Findings = append(settings.Findings, checkup.Finding{State: checkup.Wrong, Text: problem.String(),
				Do: "gateway env lists all of them; the rest is checked once these are mended"})
		}
		return show(p, []checkup.Section{settings})
	}
	if err != nil {
		return err
	}
	settings.Findings = []checkup.Finding{{Text: fmt.Sprintf("service %s, instance %s, the document from source %s",
		b.Service, b.Instance, b.Source)}}
	o := checkup.Options{Bootstrap: b, Settings: from.Settings(&b)}
	if b.AdminListen != "" {
		if o.Admin, err = dialable(b.AdminListen); err != nil {
			return err
		}
		o.Status, o.StatusErr = running(ctx, o.Admin)
	}
	if o.Consul, o.ConsulErr = p.newConsul(); o.Consul != nil {
		defer o.Consul.Close()
	}
	return show(p, append([]checkup.Section{settings}, checkup.Run(ctx, o)...))
}

// running asks for the status of the gateway that runs. The error keeps its cause.
func running(ctx context.Context, address string) (s *sidecar.Status, err error) {
	text, err := askAdmin(ctx, http.MethodGet, address, "/status")
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, &s); err != nil || s == nil {
		return nil, errors.New("the response is not a status (is it a gateway's?)")
	}
	return s, nil
}

// looks are how findings are shown, by their state.
var looks = [...]struct{ mark, colour string }{
	checkup.Good: {"✓", green}, checkup.Notice: {"!", yellow}, checkup.Wrong: {"✗", red}, checkup.Skipped: {"-", ""},
}

// mostGood is how many findings of a section are shown that tell of nothing.
const mostGood = 20

// showSections prints all of them. The error is that something is wrong.
func showSections(p *Process, all []checkup.Section) error {
	r := checkReport{coloured: p.coloured()}
	for i := range all {
		r.section(&all[i])
	}
	r.total()
	if _, err := io.WriteString(p.Stdout, r.String()); err != nil {
		return ioError(err)
	}
	if r.numbers[checkup.Wrong] > 0 {
		return bad("")
	}
	return nil
}

// writeSections is showSections for programs.
func writeSections(p *Process, all []checkup.Section) error {
	found := struct {
		Problems   int               `json:"problems"`
		Notices    int               `json:"notices"`
		NotChecked int               `json:"not_checked"`
		Sections   []checkup.Section `json:"sections"`
	}{Sections: all}
	for i := range all {
		for _, f := range all[i].Findings {
			switch f.State {
			case checkup.Wrong:
				found.Problems++
			case checkup.Notice:
				found.Notices++
			case checkup.Skipped:
				found.NotChecked++
			case checkup.Good:
			}
		}
	}
	out := json.NewEncoder(p.Stdout)
	out.SetEscapeHTML(false)
	out.SetIndent("", "  ")
	if err := out.Encode(found); err != nil {
		return ioError(err)
	}
	if found.Problems > 0 {
		return bad("")
	}
	return nil
}

// checkReport is what people read of findings.
type checkReport struct {
	strings.Builder
	coloured bool
	numbers  [len(looks)]int // of findings, by state
}

func (r *checkReport) section(s *checkup.Section) {
	fmt.Fprintln(r, s.Name)
	good := 0
	for i, f := range s.Findings {
		r.numbers[f.State]++
		if f.State == checkup.Good {
			if good++; good > mostGood {
				continue
			}
		}
		look := looks[f.State]
		text := wrapAt(look.mark+" "+f.Text, "  ")
		if r.coloured && look.colour != "" {
			text = strings.Replace(text, look.mark, look.colour+look.mark+plain, 1)
		}
		fmt.Fprintln(r, text)
		next := i + 1
		told := next < len(s.Findings) && s.Findings[next].Do == f.Do // once for a row of them
		if f.Do != "" && !told {
			fmt.Fprintln(r, wrapAt("→ "+f.Do, "    "))
		}
	}
	if good > mostGood {
		fmt.Fprintf(r, "  ✓ and %d more\n", good-mostGood)
	}
}

// total is the last line.
func (r *checkReport) total() {
	last := "all is well"
	if n := r.numbers[checkup.Wrong]; n > 0 {
		last = sidecar.Count(n, "problem")
	}
	if n := r.numbers[checkup.Notice]; n > 0 {
		last += ", " + sidecar.Count(n, "notice")
	}
	if n := r.numbers[checkup.Skipped]; n > 0 {
		last += fmt.Sprintf(", %d not checked", n)
	}
	fmt.Fprintln(r, last)
}
