package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/fabian4/gateway-homebrew-go/sidecar"
)

func envCommand(p *Process) *cobra.Command {
	running := false
	cmd := &cobra.Command{
		Use:   "env",
		Short: "List every environment variable with its flag, default and meaning",
		Long: `Lists every environment variable with its default and meaning, and marks those
that this environment sets. With --running it asks the gateway that runs with
this environment for what is in effect there, and where that comes from.`,
		Args: noArguments,
	}
	flags := bindAdminFlag(cmd)
	cmd.Flags().BoolVar(&running, "running", false, "show what is in effect in the gateway that runs")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if !running {
			return ioError(envTable(p.Stdout, sidecar.Sources{Flags: flags, Environ: p.Environ}))
		}
		address, err := adminAddress(p, flags)
		if err != nil {
			return err
		}
		text, err := ask(cmd.Context(), http.MethodGet, address, "/status")
		if err != nil {
			return err
		}
		var s sidecar.Status
		if err := json.Unmarshal(text, &s); err != nil {
			return bad("admin port %s: the response is not a status: %v", address, err)
		}
		return ioError(runningTable(p.Stdout, s.Settings))
	}
	return cmd
}

// envWidth is how wide the tables of variables are at most, in columns.
const envWidth = 100

// tableShape is the shape of a table whose last column is broken into lines.
type tableShape struct {
	widths []int // of all but the last column, the gaps included
	all    int   // of the table
}

// row writes the cells of a row.
func (c tableShape) row(b *strings.Builder, cells ...string) {
	indent := 0
	for i, width := range c.widths {
		b.WriteString(pad(cells[i], width))
		indent += max(width, utf8.RuneCountInString(cells[i])+1)
	}
	first := true
	for _, line := range breakLines(cells[len(c.widths)], max(c.all-indent, 20)) {
		if !first {
			b.WriteString(strings.Repeat(" ", indent))
		}
		b.WriteString(line + "\n")
		first = false
	}
}

// pad makes a cell as wide as its column, with a gap behind it even where it is wider.
func pad(cell string, width int) string {
	return cell + strings.Repeat(" ", max(width-utf8.RuneCountInString(cell), 1))
}

// breakLines breaks a text into lines that are not wider, at blanks where there are some.
func breakLines(text string, width int) []string {
	lines := []string{""}
	for word := range strings.SplitSeq(cut(text, len(text)), " ") {
		last := &lines[len(lines)-1]
		switch n := utf8.RuneCountInString(word); {
		case *last == "":
			*last = word
		case utf8.RuneCountInString(*last)+1+n <= width:
			*last += " " + word
		default:
			lines = append(lines, word)
		}
		for r := []rune(lines[len(lines)-1]); len(r) > width; r = r[width:] { // a long word
			lines[len(lines)-1] = string(r[:width])
			lines = append(lines, string(r[width:]))
		}
	}
	return lines
}

// envTable lists the variables; what is set has a mark, and its value below what it means.
func envTable(w io.Writer, from sidecar.Sources) error {
	table := tableShape{[]int{2, 31, 26}, envWidth}
	var b strings.Builder
	table.row(&b, "", "VARIABLE", "DEFAULT", "MEANING")
	for _, v := range sidecar.Variables() {
		mark := ""
		if from.Given(v.Name) {
			mark = "*"
		}
		table.row(&b, mark, v.Name, v.Shown, v.Help)
		if mark != "" {
			table.row(&b, "", "", "", "set to "+orWords(from.Value(v.Name), "nothing"))
		}
	}
	for i, one := range from.Foreign() {
		if i == 0 {
			b.WriteString("\n  Of Consul and OpenTelemetry\n")
		}
		if one.Value != sidecar.Masked {
			one.Value = "set to " + orWords(one.Value, "nothing")
		}
		table.row(&b, "*", one.Name, "", one.Value)
	}
	b.WriteString("\n* is set in this environment. Each GATEWAY_ variable is also a flag, which wins:\n" +
		"GATEWAY_ADMIN_LISTEN is --admin-listen.\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// runningTable lists settings; those that somebody has set have a mark.
func runningTable(w io.Writer, settings []sidecar.Setting) error {
	table := tableShape{[]int{2, 38, 13}, envWidth}
	var b strings.Builder
	table.row(&b, "", "VARIABLE", "FROM", "VALUE")
	for _, s := range settings {
		mark := "*"
		if s.From == sidecar.FromDefault || s.From == sidecar.FromVerb {
			mark = ""
		}
		table.row(&b, mark, s.Name, s.From, orWords(s.Value, "(none)"))
	}
	_, err := fmt.Fprint(w, b.String())
	return err
}

// orWords gives words in place of an empty text.
func orWords(text, words string) string {
	if text == "" {
		return words
	}
	return text
}
