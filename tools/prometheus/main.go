// Command prometheus says what Prometheus makes of the gateway's alert rules and dashboard. It parses them with
// Prometheus' own packages, and evaluates them over what a gateway answered to scrapes. It is a module of its own, so
// that nothing of it is ever linked into the gateway.
//
// It reads a question as JSON from standard input, and answers with JSON on standard output; the types below have the
// names.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/model/textparse"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/tsdb"
)

// question is what is read.
type question struct {
	Rules     string   // file of alert rules
	Dashboard string   // file of a dashboard
	Scrapes   []scrape // in the order of their times
	Until     int64    // the evaluation is of this second
}

// scrape is what a gateway answered. It is taken again each 15 seconds until the next one.
type scrape struct {
	At   int64 // seconds since the first
	Text string
}

// answer is what is written.
type answer struct {
	Names   []string            `json:"names"`   // of the metrics that were scraped
	Alerts  map[string][]string `json:"alerts"`  // those that fire, with the labels of each
	Rules   []query             `json:"rules"`   // every alert
	Queries []query             `json:"queries"` // every expression of the dashboard
}

// query is an expression.
type query struct {
	Where   string   `json:"where"` // alert or panel
	Expr    string   `json:"expr"`
	Metrics []string `json:"metrics"` // that it names
	Series  int      `json:"series"`  // that it gives at the end
}

const (
	every = 15 * time.Second

	// The labels that Prometheus gives to what it scrapes.
	job      = "gateway"
	instance = "10.0.0.1:9901"
)

// begin is when the first scrape is: any moment does.
var begin = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func main() {
	if err := run(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "prometheus:", err)
		os.Exit(1)
	}
}

func run(in io.Reader, out io.Writer) error {
	var q question
	if err := json.NewDecoder(in).Decode(&q); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "gateway-prometheus-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	options := tsdb.DefaultOptions()
	day := (24 * time.Hour).Milliseconds()
	options.MinBlockDuration, options.MaxBlockDuration, options.RetentionDuration = day, day, 0
	db, err := tsdb.Open(dir, nil, nil, options, tsdb.NewDBStats())
	if err != nil {
		return err
	}
	defer db.Close()
	p := parser.NewParser(parser.Options{})
	e := &evaluator{db: db, parser: p, end: begin.Add(time.Duration(q.Until) * time.Second),
		engine: promql.NewEngine(promql.EngineOpts{MaxSamples: 1e7, Timeout: time.Minute, Parser: p})}
	defer e.engine.Close()
	var a answer
	if a.Names, err = e.load(&q); err != nil {
		return err
	}
	if err := e.rules(q.Rules, &a); err != nil {
		return err
	}
	if err := e.dashboard(q.Dashboard, &a); err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(a)
}

// evaluator has the samples and what reads them.
type evaluator struct {
	db     *tsdb.DB
	engine *promql.Engine
	parser parser.Parser
	end    time.Time
}

// load stores what was scraped.
func (e *evaluator) load(q *question) ([]string, error) {
	names := map[string]bool{}
	for i, s := range q.Scrapes {
		until := q.Until + 1
		if i+1 < len(q.Scrapes) {
			until = q.Scrapes[i+1].At
		}
		for at := s.At; at < until; at += int64(every / time.Second) {
			if err := e.append(s.Text, begin.Add(time.Duration(at)*time.Second).UnixMilli(), names); err != nil {
				return nil, fmt.Errorf("scrape %d: %w", i, err)
			}
		}
	}
	return slices.Sorted(maps.Keys(names)), nil
}

func (e *evaluator) append(text string, at int64, names map[string]bool) error {
	p, err := textparse.New([]byte(text), "text/plain; version=0.0.4", nil, textparse.ParserOptions{})
	if err != nil {
		return err
	}
	app := e.db.Appender(context.Background())
	for {
		kind, err := p.Next()
		if errors.Is(err, io.EOF) {
			return app.Commit()
		}
		if err != nil {
			return errors.Join(err, app.Rollback())
		}
		if kind != textparse.EntrySeries {
			continue
		}
		_, _, value := p.Series()
		var l labels.Labels
		p.Labels(&l)
		names[l.Get(model.MetricNameLabel)] = true
		b := labels.NewBuilder(l)
		b.Set("job", job).Set("instance", instance)
		if _, err := app.Append(0, b.Labels(), at, value); err != nil {
			return errors.Join(err, app.Rollback())
		}
	}
}

// rules evaluates each alert as Prometheus does: it fires when its expression gave something all the time that it is
// to wait.
func (e *evaluator) rules(file string, a *answer) error {
	groups, errs := rulefmt.ParseFile(file, false, model.LegacyValidation, e.parser, slog.New(slog.DiscardHandler))
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	a.Alerts = map[string][]string{}
	for _, g := range groups.Groups {
		for _, r := range g.Rules {
			q, err := e.query(r.Alert, r.Expr)
			if err != nil {
				return err
			}
			firing, err := e.always(r.Expr, time.Duration(r.For))
			if err != nil {
				return fmt.Errorf("%s: %w", r.Alert, err)
			}
			q.Series = len(firing)
			a.Rules = append(a.Rules, q)
			if len(firing) > 0 {
				a.Alerts[r.Alert] = firing
			}
		}
	}
	return nil
}

// always are the series that an expression gave at each evaluation of a time up to the end.
func (e *evaluator) always(expr string, wait time.Duration) ([]string, error) {
	q, err := e.engine.NewRangeQuery(context.Background(), e.db, nil, expr, e.end.Add(-wait), e.end, every)
	if err != nil {
		return nil, err
	}
	defer q.Close()
	matrix, err := q.Exec(context.Background()).Matrix()
	if err != nil {
		return nil, err
	}
	var all []string
	for _, s := range matrix {
		if len(s.Floats) == int(wait/every)+1 {
			all = append(all, s.Metric.String())
		}
	}
	return all, nil
}

// query parses an expression and names its metrics.
func (e *evaluator) query(where, expr string) (query, error) {
	tree, err := e.parser.ParseExpr(expr)
	if err != nil {
		return query{}, fmt.Errorf("%s: %s: %w", where, expr, err)
	}
	q := query{Where: where, Expr: expr}
	parser.Inspect(tree, func(n parser.Node, _ []parser.Node) error {
		if s, ok := n.(*parser.VectorSelector); ok {
			q.Metrics = append(q.Metrics, s.Name)
		}
		return nil
	})
	return q, nil
}

// panel is what of a dashboard's panel matters here. A row has panels, too.
type panel struct {
	Title   string
	Panels  []panel
	Targets []struct{ Expr string }
}

// variables are what Grafana puts in place of its words.
var variables = strings.NewReplacer("$__rate_interval", "5m", "$__range", "1h", "$job", ".*", "$instance", ".*")

func (e *evaluator) dashboard(file string, a *answer) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var d panel
	if err := json.Unmarshal(text, &d); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return e.panels(d.Panels, a)
}

func (e *evaluator) panels(all []panel, a *answer) error {
	for _, p := range all {
		if err := e.panels(p.Panels, a); err != nil {
			return err
		}
		for _, t := range p.Targets {
			q, err := e.query(p.Title, variables.Replace(t.Expr))
			if err != nil {
				return err
			}
			if q.Series, err = e.series(q.Expr); err != nil {
				return fmt.Errorf("%s: %s: %w", p.Title, q.Expr, err)
			}
			a.Queries = append(a.Queries, q)
		}
	}
	return nil
}

// series is how many an expression gives at the end, those that are no number left out.
func (e *evaluator) series(expr string) (n int, err error) {
	q, err := e.engine.NewInstantQuery(context.Background(), e.db, nil, expr, e.end)
	if err != nil {
		return 0, err
	}
	defer q.Close()
	vector, err := q.Exec(context.Background()).Vector()
	if err != nil {
		return 0, err
	}
	for _, s := range vector {
		if !math.IsNaN(s.F) {
			n++
		}
	}
	return n, nil
}
