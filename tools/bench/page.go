package main

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
)

// conditions say where and how the figures were taken, in a few lines.
func (r *results) conditions() []string {
	var versions []string
	for _, name := range slices.Sorted(maps.Keys(r.Machine.Versions)) {
		versions = append(versions, label(name)+" "+r.Machine.Versions[name])
	}
	return []string{
		fmt.Sprintf("%s. %s, %d processors, %s.", r.Machine.Date, r.Machine.CPU, r.Machine.CPUs, r.Machine.Kernel),
		strings.Join(versions, ", ") + ".",
		fmt.Sprintf("Medians of %s of %s.", count(r.Rounds, "round"), count(r.Seconds, "second")),
	}
}

func count(n int, what string) string {
	if n == 1 {
		return "one " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// label is a proxy's name as it writes it itself.
func label(peer string) string {
	if peer == "haproxy" {
		return "HAProxy"
	}
	return peer
}

// table is the rows as a table of Markdown.
func (r *results) table() string {
	var b strings.Builder
	b.WriteString("| what | unit |")
	for _, p := range r.Peers {
		fmt.Fprintf(&b, " %s |", label(p))
	}
	b.WriteString(" ratio |\n|---|---|" + strings.Repeat("---|", len(r.Peers)+1) + "\n")
	for _, w := range r.Rows {
		fmt.Fprintf(&b, "| %s | %s |", w.Title, w.Unit)
		for _, p := range r.Peers {
			if f, has := w.Figures[p]; has {
				fmt.Fprintf(&b, " %s |", number(f.Median))
			} else {
				b.WriteString(" |")
			}
		}
		if ratio, ok := w.ratio("gateway"); ok {
			fmt.Fprintf(&b, " %.2f |\n", ratio)
		} else {
			b.WriteString(" |\n")
		}
	}
	return b.String()
}

// Between these lines a page has what a run has measured. The text around them is kept.
const (
	pageStart = "<!-- results: start, written by make bench-page -->\n"
	pageEnd   = "<!-- results: end -->\n"
)

// writePage writes conditions and table into a page.
func (r *results) writePage(file string) error {
	old, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	before, rest, started := strings.Cut(string(old), pageStart)
	_, after, ended := strings.Cut(rest, pageEnd)
	if !started || !ended {
		return fmt.Errorf("%s has no place for results: want the lines %q and %q", file, pageStart, pageEnd)
	}
	text := before + pageStart + "\n" + strings.Join(r.conditions(), " ") + "\n\n" + r.table() + "\n" + pageEnd + after
	return os.WriteFile(file, []byte(text), 0o644)
}
