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
	about    string // what is behind the name: the state of a cluster, or where a route leads
	counted  bool   // within the last minute
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
	rows, title, about := clusterRows(s, r), "CLUSTER", aboutCluster("STATE", "WT", "IN FL")
	if v.table == "routes" {
		rows, title, about = routeRows(s), "ROUTE", "GOES TO"
	}
	head := cells(width, "  "+title, about, "REQ/S", "ERR %", "P50 MS", "P99 MS")
	lines = append(lines, topLine{head, lineHead})
	v.fixed = len(lines)
	v.order(rows)
	for i := range rows {
		lines = append(lines, rows[i].line(width, 0))
		v.order(rows[i].below)
		for j := range rows[i].below {
			lines = append(lines, rows[i].below[j].line(width, 2))
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
		row.about = aboutCluster(fmt.Sprintf("%d/%d used", used, len(c.Endpoints)), "", fmt.Sprint(c.InFlight))
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
		about: aboutCluster(e.State, fmt.Sprint(e.Weight), fmt.Sprint(e.InFlight)),
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
		row := topRow{name: n.Name, about: to[n.Name]}
		row.count(&n.Rate, max(n.Errors["5xx"], n.Errors["grpc"])) // a call may be among both
		row.trouble = row.errors > 0
		known[n.Name] = true
		rows = append(rows, row)
	}
	for _, r := range s.Routes {
		if !known[r.Name] {
			rows = append(rows, topRow{name: r.Name, about: r.To})
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
func (r *topRow) line(width, indent int) topLine {
	l := topLine{}
	mark := "  "
	if r.trouble {
		mark, l.kind = "✗ ", lineBad
	}
	rate, errors, p50, p99 := "", "", "", ""
	if r.counted {
		rate, errors = fmt.Sprintf("%.1f", r.rate), fmt.Sprintf("%.1f", r.errors)
		p50, p99 = fmt.Sprintf("%.1f", r.p50), fmt.Sprintf("%.1f", r.p99)
	}
	l.text = cells(width, strings.Repeat(" ", indent)+mark+r.name, r.about, rate, errors, p50, p99)
	return l
}

// aboutWidth is how wide the columns of topRow.about are together.
const aboutWidth = 23

// aboutCluster is the state, weight and requests in flight of a cluster or an endpoint, as columns.
func aboutCluster(state, weight, inFlight string) string {
	return fmt.Sprintf("%-11s %5s %5s", cut(state, 11), weight, inFlight)
}

// cells puts a row together: the name has what the columns leave of the width.
func cells(width int, name, about, rate, errors, p50, p99 string) string {
	rest := fmt.Sprintf(" %-*s %7s %5s %7s %7s", aboutWidth, cut(about, aboutWidth), rate, errors, p50, p99)
	room := max(10, width-utf8.RuneCountInString(rest))
	name = cut(name, room)
	return name + strings.Repeat(" ", room-utf8.RuneCountInString(name)) + rest
}
