// Command bench compares a gateway with nginx and HAProxy, side by side in one run on one machine:
//
//	bench -gateway FILE [-scenarios h1,tls] [-seconds 2] [-rounds 5] [-out PREFIX] [-page FILE.md]
//	bench -from PREFIX.json [-out PREFIX] [-page FILE.md]
//	bench -list
//
// It prints a table, and writes PREFIX.json and a chart PREFIX.svg. With -page it also writes the table into a page, at
// the place that is marked for it. With -from nothing is measured: results of an earlier run are drawn anew.
//
// It needs Linux, nginx, haproxy, wrk and h2load. Traffic stays on 127.0.0.1. Its files are in a temporary folder,
// which goes with it. It is a module of its own: nothing of it is ever linked into the gateway.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	// Started programs end with the thread that started them, so this one stays.
	runtime.LockOSThread()
	if len(os.Args) > 1 && os.Args[1] == "role" {
		exit(play(os.Args[2:]))
	}
	exit(run())
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// options are what the command line says.
type options struct {
	gateway, before, from, out, page, scenarios, peers string
	seconds, rounds                                    int
}

func run() error {
	var o options
	names := make([]string, 0, len(scenarios))
	for _, s := range scenarios {
		names = append(names, s.name)
	}
	flag.StringVar(&o.gateway, "gateway", "", "the `file` of the gateway's program")
	flag.StringVar(&o.before, "before", "", "the `file` of another build, measured in the same run")
	flag.StringVar(&o.scenarios, "scenarios", strings.Join(names, ","), "what to measure, by commas")
	flag.StringVar(&o.peers, "peers", "nginx,haproxy", "beside whom, by commas")
	flag.IntVar(&o.seconds, "seconds", 2, "how long one measurement takes")
	flag.IntVar(&o.rounds, "rounds", 5, "measurements of each; the median counts")
	flag.StringVar(&o.from, "from", "", "a `file` of results to draw, in place of measuring")
	flag.StringVar(&o.out, "out", "", "the `prefix` of the files for results (.json) and chart (.svg)")
	flag.StringVar(&o.page, "page", "", "the `file` of a page to write the tables into")
	list := flag.Bool("list", false, "print the names of all scenarios, a line each, and nothing else")
	flag.Parse()
	if *list {
		fmt.Println(strings.Join(names, "\n"))
		return nil
	}
	if flag.NArg() > 0 || (o.gateway == "") == (o.from == "") || o.seconds < 1 || o.rounds < 1 {
		flag.Usage()
		os.Exit(2)
	}
	var r *results
	var err error
	if o.from != "" {
		r, err = readResults(o.from)
	} else {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		r, err = measureAll(ctx, &o)
	}
	if err != nil {
		return err
	}
	fmt.Print("\n", r.text())
	if o.from != "" && o.out != "" {
		if err = r.write(o.out); err != nil {
			return err
		}
	}
	if o.page != "" {
		return r.writePage(o.page)
	}
	return nil
}

// measureAll runs all scenarios that are asked for. Within one, rounds go from proxy to proxy, so that whatever else
// the machine does meets all of them.
func measureAll(ctx context.Context, o *options) (*results, error) {
	var chosen []*scenario
	for name := range strings.SplitSeq(o.scenarios, ",") {
		i := slices.IndexFunc(scenarios, func(s *scenario) bool { return s.name == name })
		if i < 0 {
			return nil, fmt.Errorf("-scenarios: there is no %q", name)
		}
		chosen = append(chosen, scenarios[i])
	}
	f, err := newField(ctx, o)
	if err != nil {
		return nil, err
	}
	defer f.close()
	r, err := newResults(f, o)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	for _, s := range chosen {
		taken := map[string][][]float64{}
		for round := range o.rounds {
			for i := range f.proxies {
				p := f.proxies[(i+round)%len(f.proxies)]
				if s.stream && !p.stream {
					continue
				}
				figures, err := f.measure(s, p, o.seconds)
				// A machine that is busy may serve nothing for a second.
				for seconds := 2 * o.seconds; err != nil && seconds <= 4*o.seconds && ctx.Err() == nil; seconds *= 2 {
					fmt.Fprintf(os.Stderr, "%s with %s once more: %v\n", s.name, p.name, err)
					figures, err = f.measure(s, p, seconds)
				}
				if err != nil {
					return nil, fmt.Errorf("%s with %s, round %d: %w", s.name, p.name, round+1, err)
				}
				taken[p.name] = append(taken[p.name], figures)
			}
		}
		for _, row := range r.add(s, taken) {
			fmt.Fprintf(os.Stderr, "%5.0f s  %s\n", time.Since(began).Seconds(), row.line(r.Peers))
		}
		if o.out != "" { // what there is, should a later scenario fail
			if err := r.write(o.out); err != nil {
				return nil, err
			}
		}
	}
	return r, nil
}

// absolute is the whole path of a program.
func absolute(file string) (string, error) {
	path, err := filepath.Abs(file)
	if err != nil {
		return "", err
	}
	if info, err := os.Stat(path); err != nil || info.IsDir() || info.Mode()&0o111 == 0 {
		return "", fmt.Errorf("%s is no program that can be run", path)
	}
	return path, nil
}
