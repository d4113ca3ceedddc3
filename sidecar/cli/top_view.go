package cli

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/fabian4/gateway-homebrew-go/internal/cluster"
	"github.com/fabian4/gateway-homebrew-go/sidecar"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// What a terminal has at least.
const (
	topWidth  = 80
	topHeight = 24
)

// topSorts are the columns that rows can be sorted by; topTables are the tables.
var (
	topSorts  = []string{"trouble", "name", "rate", "errors", "p50", "p99"}
	topTables = []string{"clusters", "routes"}
)

func otherTable(table string) string {
	if table == topTables[0] {
		return topTables[1]
	}
	return topTables[0]
}

// topView is what of a status is shown, and how.
type topView struct {
	sort, table string

	first int // the first row that is shown, where they do not fit
	fixed int // lines above the rows, of the last status
	total int // lines of the last status
}

// press changes the view.
func (v *topView) press(k topKey, height int) {
	switch page := max(1, height-8); k {
	case keySort:
		v.sort = topSorts[(slices.Index(topSorts, v.sort)+1)%len(topSorts)]
	case keyTable:
		v.table, v.first = otherTable(v.table), 0
	case keyUp:
		v.first = max(0, v.first-1)
	case keyDown:
		v.first++ // draw knows where the end is
	case keyPageUp:
		v.first = max(0, v.first-page)
	case keyPageDown:
		v.first += page
	case keyNone, keyQuit:
	}
}

// lineKind is how a line looks where there are colours. None is needed to read it.
type lineKind int

const (
	linePlain lineKind = iota
	lineBad
	lineHead
)

type topLine struct {
	text string
	kind lineKind
}

// topRow is one row of a table, with what it can be sorted by.
type topRow struct {
	name     string
	trouble  bool
	about    []string // behind the name: state, weight and requests in flight of a cluster, or where a route leads
	counted  bool     // within the last minute
	rate     float64
	errors   float64 // in a hundred
	p50, p99 float64
	below    []topRow // the endpoints of a cluster
}

// mostTrouble is how many sentences are above the table.
const mostTrouble = 5

// lines are all lines of a status, none wider than width.
func (v *topView) lines(s *sidecar.Status, width int) []topLine {
	r := &report{trouble: s.Trouble}
	kind := linePlain
	if len(s.Reasons)+len(s.Trouble) > 0 {
		kind = lineBad
	}
	lines := []topLine{{s.Service + ": " + stateWord(s) + r.extent(s.Clusters, s.Ready), kind}}
	lines = append(lines, sentence(traffic(&s.Rates.Total, s.Rates.Seconds), "", width, linePlain)...)
	all := slices.Concat(s.Reasons, s.Trouble)
	for _, text := range all[:min(len(all), mostTrouble)] {
		lines = append(lines, sentence(text, "  ", width, lineBad)...)
	}
	if more := len(all) - mostTrouble; more > 0 {
		lines = append(lines, topLine{fmt.Sprintf("  and %d more: gateway status", more), lineBad})
	}
	rows, columns, head := clusterRows(s, r), clusterColumns, []string{"  CLUSTER", "STATE", "WT", "IN FL"}
	if v.table == "routes" {
		rows, columns, head = routeRows(s), routeColumns, []string{"  ROUTE", "GOES TO"}
	}
	columns = fitting(columns, width)
	head = append(head, "REQ/S", "ERR %", "P50 MS", "P99 MS")
	lines = append(lines, topLine{cells(columns, width, head), lineHead})
	v.fixed = len(lines)
	v.order(rows)
	for i := range rows {
		lines = append(lines, rows[i].line(columns, width, 0))
		v.order(rows[i].below)
		for j := range rows[i].below {
			lines = append(lines, rows[i].below[j].line(columns, width, 2))
		}
	}
	for i := range lines {
		lines[i].text = cut(lines[i].text, width)
	}
	v.total = len(lines)
	return lines
}

// sentence is a text in at most two lines.
func sentence(text, indent string, width int, kind lineKind) (lines []topLine) {
	first, rest, more := strings.Cut(wrapTo(text, indent, width), "\n")
	lines = append(lines, topLine{first, kind})
	if more {
		lines = append(lines, topLine{indent + "  " + strings.Join(strings.Fields(rest), " "), kind})
	}
	return lines
}

// order sorts rows by the column that is wanted, the highest first; those in trouble are first of equals.
func (v *topView) order(rows []topRow) {
	by := func(r *topRow) float64 {
		switch v.sort {
		case "rate":
			return r.rate
		case "errors":
			return r.errors
		case "p50":
			return r.p50
		case "p99":
			return r.p99
		}
		return 0
	}
	slices.SortStableFunc(rows, func(a, b topRow) int {
		if v.sort == "name" {
			return cmp.Compare(a.name, b.name)
		}
		if n := cmp.Compare(by(&b), by(&a)); n != 0 {
			return n
		}
		switch {
		case a.trouble == b.trouble:
			return 0
		case a.trouble:
			return -1
		}
		return 1
	})
}

func clusterRows(s *sidecar.Status, r *report) (rows []topRow) {
	rates := map[string]*telemetry.NamedRate{}
	for i := range s.Rates.Clusters {
		rates[s.Rates.Clusters[i].Name] = &s.Rates.Clusters[i]
	}
	for i := range s.Clusters {
		c := &s.Clusters[i]
		used := 0
		row := topRow{name: c.Name, trouble: r.sick(c.Name)}
		for j := range c.Endpoints {
			e := &c.Endpoints[j]
			if e.Unused == "" {
				used++
			}
			row.below = append(row.below, endpointRow(e, s.Rates.Seconds))
		}
		row.about = []string{fmt.Sprintf("%d/%d used", used, len(c.Endpoints)), "", fmt.Sprint(c.InFlight)}
		if n := rates[c.Name]; n != nil {
			// A try is among one of these.
			failed := n.Errors["5xx"] + n.Errors["UF"] + n.Errors["UC"] + n.Errors["UT"] + n.Errors["UPE"]
			row.count(&n.Rate, failed)
		}
		rows = append(rows, row)
	}
	return rows
}

func endpointRow(e *cluster.EndpointStatus, seconds float64) topRow {
	row := topRow{
		name: e.Address, trouble: e.State != "healthy",
		about: []string{e.State, fmt.Sprint(e.Weight), fmt.Sprint(e.InFlight)},
	}
	if n := e.Recent; n != nil && seconds > 0 {
		row.trouble = row.trouble || n.Errors >= fewErrors && n.Errors*20 >= n.Requests
		row.counted, row.rate, row.p50, row.p99 = true, float64(n.Requests)/seconds, n.P50MS, n.P99MS
		row.errors = inHundred(n.Errors, n.Requests)
	}
	return row
}

// fewErrors is how many attempts must have failed within a minute before an endpoint is marked for it.
const fewErrors = 3

func routeRows(s *sidecar.Status) (rows []topRow) {
	to, known := map[string]string{}, map[string]bool{}
	for _, r := range s.Routes {
		to[r.Name] = r.To
	}
	for i := range s.Rates.Routes {
		n := &s.Rates.Routes[i]
		row := topRow{name: n.Name, about: []string{to[n.Name]}}
		row.count(&n.Rate, max(n.Errors["5xx"], n.Errors["grpc"])) // a call may be among both
		row.trouble = row.errors > 0
		known[n.Name] = true
		rows = append(rows, row)
	}
	for _, r := range s.Routes {
		if !known[r.Name] {
			rows = append(rows, topRow{name: r.Name, about: []string{r.To}})
		}
	}
	return rows
}

func (r *topRow) count(n *telemetry.Rate, failed uint64) {
	r.counted, r.rate, r.p50, r.p99 = true, n.PerSecond, n.P50MS, n.P99MS
	r.errors = inHundred(failed, n.Requests)
}

func inHundred(n, of uint64) float64 {
	if of == 0 {
		return 0
	}
	return 100 * float64(n) / float64(of)
}

// line is a row as text; a mark in front tells of trouble without a colour.
func (r *topRow) line(columns []topColumn, width, indent int) topLine {
	l := topLine{}
	mark := "  "
	if r.trouble {
		mark, l.kind = "✗ ", lineBad
	}
	row := append([]string{strings.Repeat(" ", indent) + mark + r.name}, r.about...)
	for _, n := range []float64{r.rate, r.errors, r.p50, r.p99} {
		text := ""
		if r.counted {
			text = fmt.Sprintf("%.1f", n)
		}
		row = append(row, text)
	}
	l.text = cells(columns, width, row)
	return l
}

// topColumn is one column behind the name.
type topColumn struct {
	cell  int // which cell of a row it shows; the name is 0
	width int
	left  bool // its text begins at the left
	goes  int  // where the window is too narrow, the column with the highest goes first; 0 stays
}

// A name has at least leastName columns. Columns are left out until it has nameWants.
const (
	leastName = 10
	nameWants = 18
)

// The columns of both tables. What is left out first is told better by other verbs (weight, requests in flight), then
// what the others nearly tell (p50). Rate, errors and p99 tell of trouble, so they stay longest.
var (
	clusterColumns = []topColumn{{1, 11, true, 3}, {2, 5, false, 6}, {3, 5, false, 5}, {4, 7, false, 1},
		{5, 5, false, 0}, {6, 7, false, 4}, {7, 7, false, 2}}
	routeColumns = []topColumn{{1, 23, true, 3}, {2, 7, false, 1}, {3, 5, false, 0}, {4, 7, false, 4}, {5, 7, false, 2}}
)

// fitting are the columns that fit into the width beside the name.
func fitting(all []topColumn, width int) []topColumn {
	kept := slices.Clone(all)
	for {
		room, next := width, 0
		for i, c := range kept {
			room -= 1 + c.width
			if c.goes > kept[next].goes {
				next = i
			}
		}
		if room >= nameWants || len(kept) == 0 || kept[next].goes == 0 {
			return kept
		}
		kept = slices.Delete(kept, next, next+1)
	}
}

// cells puts a row together: the name has what the columns leave of the width.
func cells(columns []topColumn, width int, row []string) string {
	var rest strings.Builder
	for _, c := range columns {
		text := cut(row[c.cell], c.width)
		if c.left {
			fmt.Fprintf(&rest, " %-*s", c.width, text)
		} else {
			fmt.Fprintf(&rest, " %*s", c.width, text)
		}
	}
	room := max(leastName, width-utf8.RuneCountInString(rest.String()))
	name := cut(row[0], room)
	return name + strings.Repeat(" ", room-utf8.RuneCountInString(name)) + rest.String()
}
