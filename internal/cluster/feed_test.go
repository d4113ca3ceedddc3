package cluster

import (
	"bytes"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
)

// A revision that differs only in only_passing is prepared on the same answer.
// The one that serves keeps its endpoints, whether the other is kept or aborted.
func TestFilterOfAPreparedRevision(t *testing.T) {
	const answer = "a b:warning"
	for _, row := range []struct {
		name              string
		serving, prepared bool // only_passing
		before, after     string
	}{
		{"serving without", false, true, "a b a b", "a a a a"},
		{"serving with", true, false, "a a a a", "a b a b"},
	} {
		t.Run(row.name, func(t *testing.T) {
			cl := cfg("")
			cl.Consul.Service, cl.Consul.OnlyPassing = "orders", row.serving
			s, serving := newCluster(t, cl)
			serving.SetEndpoints(discovered(answer))
			cl.Consul.OnlyPassing = row.prepared
			for _, abort := range []bool{true, false} {
				prepared, err := s.Prepare(new(cl))
				if err != nil {
					t.Fatal(err)
				}
				if got := picks(prepared, 4); got != row.after {
					t.Errorf("prepared, without a delivery: %s, want %s", got, row.after)
				}
				prepared.SetEndpoints(discovered(answer))
				if got := picks(serving, 4); got != row.before {
					t.Errorf("serving beside the prepared one: %s, want %s", got, row.before)
				}
				if !abort {
					s.Retire([]*Cluster{prepared})
					if got := picks(prepared, 4); got != row.after {
						t.Errorf("in service: %s, want %s", got, row.after)
					}
					return
				}
				s.Retire([]*Cluster{serving})
				if got := picks(serving, 4); got != row.before {
					t.Errorf("after the abort: %s, want %s", got, row.before)
				}
			}
		})
	}
}

// What a filter takes away at once is softened as any other sudden loss, for
// those alone whose filter it is.
func TestSuddenLossByFilter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cl := cfg("")
		cl.Consul.Service = "orders"
		s := NewSet(Options{})
		all, err := s.Prepare(new(cl))
		if err != nil {
			t.Fatal(err)
		}
		cl.Name, cl.Consul.OnlyPassing = "strict", true
		strict, err := s.Prepare(new(cl))
		if err != nil {
			t.Fatal(err)
		}
		s.Retire([]*Cluster{all, strict})
		deliver := func(list string) {
			all.SetEndpoints(discovered(list))
			strict.SetEndpoints(discovered(list))
		}
		deliver("a b c d")
		deliver("a b:warning c:warning d:warning")
		if got := picks(strict, 4); got != "a b c d" {
			t.Errorf("at once: %s, want all four", got)
		}
		<-time.After(dampOver)
		s.Tick()
		if got := picks(strict, 2); got != "a a" {
			t.Errorf("after %v: %s, want a alone", dampOver, got)
		}
		if got := picks(all, 4); got != "a b c d" {
			t.Errorf("without the filter: %s, want all four", got)
		}
	})
}

// When the time of a hold is over the catalog is queried once more. As long as it does not say that
// there is still nothing, the endpoints stay in use.
func TestHoldEndsWithASecondLook(t *testing.T) {
	for _, row := range []struct {
		name, says string
		answers    bool
		want       string
	}{
		{"no response", "", false, "a b"},
		{"still nothing", "", true, "- -"},
		{"it was wrong", "a b c", true, "a b"},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var queries []string
				s := NewSet(Options{Recheck: func(q config.Consul) { queries = append(queries, q.Service) }})
				cl := cfg("")
				cl.Consul.Service, cl.Consul.EmptyHold = "orders", 30*time.Second
				c := add(t, s, cl)
				c.SetEndpoints(discovered("a b"))
				c.SetEndpoints(nil)
				<-time.After(29 * time.Second)
				s.Tick()
				if len(queries) > 0 {
					t.Errorf("queried for %q during the hold", queries)
				}
				for range 11 {
					<-time.After(time.Second)
					s.Tick()
				}
				if got := strings.Join(queries, " "); got != "orders orders orders" {
					t.Errorf("queried for %q, want the service three times in 10 s", got)
				}
				if row.answers {
					c.SetEndpoints(discovered(row.says))
				}
				if got := picks(c, 2); got != row.want {
					t.Errorf("picked %s, want %s", got, row.want)
				}
			})
		})
	}
}

// A revision renames the cluster while its last endpoints are held: they are
// held under the new name too, and not for longer.
func TestRenameKeepsTheHold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cl := cfg("")
		cl.Consul.Service, cl.Consul.EmptyHold = "orders", 30*time.Second
		s, old := newCluster(t, cl)
		old.SetEndpoints(discovered("a b"))
		<-time.After(time.Second)
		old.SetEndpoints(nil)
		<-time.After(20 * time.Second)
		cl.Name = "renamed"
		renamed, err := s.Prepare(new(cl))
		if err != nil {
			t.Fatal(err)
		}
		renamed.SetEndpoints(nil)
		s.Retire([]*Cluster{renamed})
		if got := picks(renamed, 2); got != "a b" {
			t.Errorf("under the new name: %s, want both held", got)
		}
		<-time.After(10 * time.Second)
		s.Tick()
		if got := picks(renamed, 1); got != "-" {
			t.Errorf("30 s after the loss: %s, want none", got)
		}
	})
}

func TestFollows(t *testing.T) {
	cl := cfg("")
	cl.Consul = config.Consul{Service: "orders", Tags: "v1", Datacenter: "dc2"}
	_, c := newCluster(t, cl)
	const what = "consul service orders, tag v1, datacenter dc2"
	const other = "its only instance does not have the tag v1"
	for _, step := range []struct {
		deliver, absence, want string
	}{
		{"-", "", what + ": no response yet"},
		{"", "", what + ": not in the catalog"},
		{"", other, what + ": " + other},
		{"a:critical", "", what},
		{"", "", what + ": not in the catalog"},
		{"", other, what + ": " + other},
	} {
		if step.deliver != "-" {
			c.NoteAbsence(step.absence)
			c.SetEndpoints(discovered(step.deliver))
		}
		if got := c.Status().Follows; got != step.want {
			t.Errorf("after %q it follows %q, want %q", step.deliver, got, step.want)
		}
	}
	_, static := newCluster(t, cfg("a"))
	if got := static.Status().Follows; got != "" {
		t.Errorf("a static cluster follows %q", got)
	}
}

// What the catalog has for a cluster that is only prepared is told when it comes into service, once.
func TestPreparedFeedsAreQuiet(t *testing.T) {
	for _, row := range []struct{ list, absence, want string }{
		{"a b:critical", "",
			`endpoints changed: cluster=orders changed=2 of=2 endpoints="a absent -> passing, b absent -> critical"`},
		{"", "", `the service is not in the catalog: cluster=orders follows="consul service orders"`},
		{"", "its only instance has no usable address", `no instance of the service can be used: cluster=orders ` +
			`follows="consul service orders" reason="its only instance has no usable address"`},
	} {
		list, want := row.list, row.want
		var log bytes.Buffer
		s := NewSet(Options{Logger: hclog.New(&hclog.LoggerOptions{Output: &log})})
		cl := cfg("")
		cl.Consul = config.Consul{Service: "orders"}
		for range 3 {
			c, err := s.Prepare(new(cl))
			if err != nil {
				t.Fatal(err)
			}
			c.NoteAbsence(row.absence)
			c.SetEndpoints(discovered(list))
			s.Retire(nil)
		}
		if log.Len() > 0 {
			t.Errorf("logged of a cluster that never served:\n%s", &log)
		}
		c, err := s.Prepare(new(cl))
		if err != nil {
			t.Fatal(err)
		}
		c.NoteAbsence(row.absence)
		c.SetEndpoints(discovered(list))
		s.Retire([]*Cluster{c})
		s.Retire([]*Cluster{c})
		if text := log.String(); strings.Count(text, "\n") != 1 || !strings.Contains(text, want) {
			t.Errorf("logged\n%swant one line with\n%s", text, want)
		}
	}
}

// Which statuses count as failures is said where the document names them, and only there.
func TestStatusOfFailures(t *testing.T) {
	for _, row := range []struct {
		statuses []string
		want     string
	}{
		{[]string{"5xx"}, ""}, {[]string{"429", "5xx"}, "failures are 429, 5xx"}, {nil, "no status is a failure"},
	} {
		cl := cfg("a")
		cl.PassiveHealth.Statuses = row.statuses
		_, c := newCluster(t, cl)
		if got := c.Status().Failures; got != row.want {
			t.Errorf("%q: %q, want %q", row.statuses, got, row.want)
		}
	}
}
