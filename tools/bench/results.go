package main

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// results are what one run has measured, as they stand in the file of results.
type results struct {
	Machine machine  `json:"machine"`
	Seconds int      `json:"seconds"`
	Rounds  int      `json:"rounds"`
	Peers   []string `json:"peers"`
	Rows    []row    `json:"rows"`
}

// row has one figure of each proxy.
type row struct {
	Scenario  string            `json:"scenario"`
	Title     string            `json:"title"`
	Unit      string            `json:"unit"`
	Published string            `json:"published,omitempty"`
	Figures   map[string]figure `json:"figures"`
}

// figure is the median of all rounds, between the least and the greatest.
type figure struct {
	Median float64 `json:"median"`
	Least  float64 `json:"least"`
	Most   float64 `json:"most"`
}

func newResults(f *field, o *options) (*results, error) {
	m, err := describe(f)
	r := &results{Machine: m, Seconds: o.seconds, Rounds: o.rounds}
	for _, p := range f.proxies {
		r.Peers = append(r.Peers, p.name)
	}
	// The gateway first, whatever the order of measuring.
	slices.SortStableFunc(r.Peers, func(a, b string) int { return rank(a) - rank(b) })
	return r, err
}

func rank(peer string) int {
	return slices.Index([]string{"gateway", "before", "nginx", "haproxy"}, peer)
}

// add adds the rows of a scenario: taken has, for each proxy, the figures of each round.
func (r *results) add(s *scenario, taken map[string][][]float64) []row {
	for i, kind := range s.rows {
		w := row{
			Scenario: s.name, Title: kind.title, Unit: kind.unit, Published: kind.published,
			Figures: map[string]figure{},
		}
		for name, rounds := range taken {
			var values []float64
			for _, figures := range rounds {
				values = append(values, figures[i])
			}
			slices.Sort(values)
			n := len(values)
			w.Figures[name] = figure{
				Median: short((values[(n-1)/2] + values[n/2]) / 2), Least: short(values[0]), Most: short(values[n-1]),
			}
		}
		r.Rows = append(r.Rows, w)
	}
	return r.Rows[len(r.Rows)-len(s.rows):]
}

// short keeps four digits: the rest is noise.
func short(v float64) float64 {
	if v == 0 {
		return 0
	}
	unit := math.Pow(10, 3-math.Floor(math.Log10(math.Abs(v))))
	return math.Round(v*unit) / unit
}

// number is a figure with three digits.
func number(v float64) string {
	switch a := math.Abs(v); {
	case a >= 100:
		return fmt.Sprintf("%.0f", v)
	case a >= 10:
		return fmt.Sprintf("%.1f", v)
	case a >= 1:
		return fmt.Sprintf("%.2f", v)
	default:
		return fmt.Sprintf("%.3f", v)
	}
}

// better is the better figure of nginx and HAProxy.
func (w *row) better() (v float64, ok bool) {
	v = math.Inf(1)
	for _, name := range []string{"nginx", "haproxy"} {
		if f, has := w.Figures[name]; has {
			v, ok = min(v, f.Median), true
		}
	}
	return v, ok
}

// ratio is a proxy's figure against the better of nginx and HAProxy.
func (w *row) ratio(peer string) (float64, bool) {
	f, has := w.Figures[peer]
	v, ok := w.better()
	return f.Median / v, has && ok && v > 0
}

// line is the row for people, with the span of each figure.
func (w *row) line(peers []string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-10s %-20s", w.Scenario, w.Unit)
	for _, p := range peers {
		if f, has := w.Figures[p]; has {
			fmt.Fprintf(&b, "  %s %s (%s to %s)", p, number(f.Median), number(f.Least), number(f.Most))
		}
	}
	if ratio, ok := w.ratio("gateway"); ok {
		fmt.Fprintf(&b, "  ratio %.2f", ratio)
	}
	if before, has := w.Figures["before"]; has && before.Median > 0 {
		fmt.Fprintf(&b, "  to before %.2f", w.Figures["gateway"].Median/before.Median)
	}
	return b.String()
}

// text is all rows for people.
func (r *results) text() string {
	var b strings.Builder
	b.WriteString(strings.Join(r.conditions(), "\n") + "\n\n" + r.table())
	for _, w := range r.Rows {
		if w.Published != "" {
			fmt.Fprintf(&b, "\n%s, %s. Machines differ, so that is a size to compare with, no measurement.\n", w.Unit,
				w.Published)
		}
	}
	return b.String()
}

func readResults(file string) (*results, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	r := new(results)
	if err = json.Unmarshal(text, r); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if len(r.Rows) == 0 {
		return nil, fmt.Errorf("%s has no rows", file)
	}
	return r, nil
}

// write writes the results and their chart.
func (r *results) write(prefix string) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	if err = os.MkdirAll(filepath.Dir(prefix), 0o755); err != nil {
		return err
	}
	if err = os.WriteFile(prefix+".json", append(text, '\n'), 0o644); err != nil {
		return err
	}
	return os.WriteFile(prefix+".svg", []byte(r.chart()), 0o644)
}
