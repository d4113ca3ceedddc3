package cluster

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
)

func TestStatusAndMetrics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var logged bytes.Buffer
		s := NewSet(Options{Logger: hclog.New(&hclog.LoggerOptions{Output: &logged, Level: hclog.Info,
			DisableTime: true})})
		cl := cfg("s*4")
		cl.Consul.Service = "orders"
		cl.PassiveHealth = config.PassiveHealth{ConsecutiveFailures: 2, BaseEjection: 30 * time.Second,
			MaxEjectedPercent: 50}
		c := add(t, s, cl)
		said := discovered("a b:critical m:maintenance z*0")
		said[1].Check, said[1].Output = "port", "connection refused"
		said[2].Check, said[2].Output = "Service Maintenance Mode", "an upgrade"
		c.SetEndpoints(said)
		a := c.view.Load().listed[1].endpoint
		<-time.After(time.Second)
		a.Report(Timeout)
		a.Report(Timeout)
		e, _ := c.Pick(nil)
		var lines []string
		for _, e := range s.Status()[0].Endpoints {
			consul := "-"
			if e.Consul != nil {
				consul = e.Consul.State
			}
			lines = append(lines, fmt.Sprintf("%s %s w%d e%g in%d consul=%s passive=%s %q", e.Address, e.State,
				e.Weight, e.EffectiveWeight, e.InFlight, consul, e.Passive.State, e.Reason))
			if (e.Since == nil) != (e.State == stateHealthy) {
				t.Errorf("%s is %s since %v", e.Address, e.State, e.Since)
			}
		}
		e.Done(Success)
		want := `s healthy w4 e4 in1 consul=- passive=healthy ""
a ejected w1 e0 in0 consul=passing passive=ejected "passive: timeout"
b unhealthy w1 e1 in0 consul=critical passive=healthy "consul: critical, check \"port\": connection refused"
m maintenance w1 e0 in0 consul=maintenance passive=healthy "consul: maintenance: an upgrade"
z healthy w0 e0 in0 consul=passing passive=healthy ""`
		if got := strings.Join(lines, "\n"); got != want {
			t.Errorf("status:\n%s\nwant:\n%s", got, want)
		}
		if h, e, u := c.group.counts(); h != 2 || e != 1 || u != 2 {
			t.Errorf("counts %d healthy, %d ejected, %d unhealthy, want 2, 1, 2", h, e, u)
		}
		if n := c.Telemetry().Ejections.Load(); n != 1 {
			t.Errorf("%d ejections counted", n)
		}
		if _, err := json.Marshal(s.Status()); err != nil {
			t.Error(err)
		}
		for _, line := range []string{
			`[INFO]  endpoint ejected: cluster=orders endpoint=a old=healthy new=ejected reason=timeout failures=2 ` +
				`for=30s`,
			`[INFO]  endpoints changed: cluster=orders changed=4 of=4 endpoints="a absent -> passing, ` +
				`b absent -> critical, m absent -> maintenance, z absent -> passing"`,
		} {
			if !strings.Contains(logged.String(), line) {
				t.Errorf("log has no line\n%s\nbut\n%s", line, logged.String())
			}
		}
	})
}

// What is said to be unused is what picks do not go to.
func TestUnused(t *testing.T) {
	for _, row := range []struct {
		name, delivery, down string
		strict               bool
		want                 string
	}{
		{"all well", "a b", "", false, "a b"},
		{"not healthy", "a b:critical c*0 d:maintenance", "", false,
			`a b="consul: critical" c="weight 0" d="consul: maintenance"`},
		{"ejected", "a b c", "b", false, `a b="passive: timeout" c`},
		{"panic by the catalog", "a:critical b:critical c:maintenance", "", false, `a b c="consul: maintenance"`},
		{"passive health chooses in it", "a:critical b:critical c:critical", "b", false, `a b="passive: timeout" c`},
		{"panic by passive health", "a b:critical", "a", false, "a b"},
		{"panic never", "a:critical b:critical", "", true, `a="consul: critical" b="consul: critical"`},
	} {
		synctest.Test(t, func(t *testing.T) {
			cl := cfg("")
			cl.Consul.Service = "orders"
			cl.PassiveHealth = config.PassiveHealth{ConsecutiveFailures: 1, BaseEjection: 30 * time.Second,
				MaxEjectedPercent: 100}
			if row.strict {
				cl.Panic = config.PanicNever
			}
			_, c := newCluster(t, cl)
			c.SetEndpoints(discovered(row.delivery))
			for _, l := range c.view.Load().listed {
				if l.endpoint.address == row.down {
					l.endpoint.Report(Timeout)
				}
			}
			st := c.Status()
			picked := picks(c, 20)
			var got []string
			for _, e := range st.Endpoints {
				text := e.Address
				if e.Unused != "" {
					text += fmt.Sprintf("=%q", e.Unused)
				}
				got = append(got, text)
				if strings.Contains(picked, e.Address) != (e.Unused == "") {
					t.Errorf("%s: %s is unused: %q, but the picks are %s", row.name, e.Address, e.Unused, picked)
				}
			}
			if text := strings.Join(got, " "); text != row.want {
				t.Errorf("%s: %s, want %s", row.name, text, row.want)
			}
		})
	}
}

func TestPanicIsSaid(t *testing.T) {
	cl := cfg("")
	cl.Consul.Service = "orders"
	s, c := newCluster(t, cl)
	f := func(delivery string, want bool) {
		t.Helper()
		c.SetEndpoints(discovered(delivery))
		if got := s.Status()[0].Panic; got != want || c.group.panicking.Load() != want {
			t.Errorf("panic with %q = %v, want %v", delivery, got, want)
		}
	}
	f("a b", false)
	f("a:critical b:critical", true)
	f("a:critical b", false)
	f("a:maintenance b:maintenance", false)
}
