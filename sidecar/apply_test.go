package sidecar

import (
	"context"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/discovery"
	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/internal/testcert"
	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
)

// newApplier returns what applies revisions, with both planes, and nothing in service.
func newApplier(t *testing.T) *applier {
	t.Helper()
	testserver.Goroutines(t)
	b, err := Load(Sources{
		Hostname: func() (string, error) { return "test", nil },
		Environ:  []string{"GATEWAY_LISTEN=", "GATEWAY_ACCESS_LOG=off"},
	})
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(b, Options{})
	if err != nil {
		t.Fatal(err)
	}
	life, end := context.WithCancel(t.Context())
	s.makePlanes(life)
	a := &applier{Sidecar: s}
	t.Cleanup(func() {
		now, stop := context.WithCancel(context.Background())
		stop()
		s.proxy.Drain(now)
		s.l4.Drain(now)
		if a.active != nil {
			a.active.certs.Close()
		}
		s.certs.Close()
		s.set.Retire(nil)
		end()
	})
	return a
}

// held is all that a revision may hold, as text.
func (a *applier) held() string {
	over, end := context.WithCancel(context.Background())
	end()
	var b strings.Builder
	for _, c := range a.set.Status() {
		fmt.Fprintf(&b, "cluster %s\n", c.Name)
	}
	for _, c := range a.certs.Status() {
		fmt.Fprintf(&b, "file %s\n", c.Path)
	}
	for _, q := range a.catalog.Wait(over) { // those without an answer, and nobody gives one here
		fmt.Fprintf(&b, "query %s\n", q)
	}
	for _, name := range []string{"http", "http2", "tcp", "tcp2"} {
		for _, plane := range []func(string) (string, int64, bool){a.proxy.Listener, a.l4.Listener} {
			if address, _, ok := plane(name); ok {
				fmt.Fprintf(&b, "listener %s on %s\n", name, address)
			}
		}
	}
	fmt.Fprintf(&b, "sockets: %d\n", sockets())
	return b.String()
}

// sockets counts those of this process; 0 where it cannot be told.
func sockets() (n int) {
	all, _ := os.ReadDir("/proc/self/fd")
	for _, f := range all {
		if to, err := os.Readlink("/proc/self/fd/" + f.Name()); err == nil && strings.HasPrefix(to, "socket:") {
			n++
		}
	}
	return n
}

// TestAFailedStepLeavesNothingBehind has each step of preparing a revision fail, on an empty gateway and on one that
// serves.
func TestAFailedStepLeavesNothingBehind(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	dir := t.TempDir()
	cert, key := testcert.NewCA(t, "ca").Server(t, "a.test").Write(t, dir, "a")
	document := func(values map[string]string) *config.Document {
		t.Helper()
		all := map[string]string{"CERT": cert, "KEY": key, "HTTP": "127.0.0.1:0", "TCP": "127.0.0.1:0", "SUFFIX": "2"}
		maps.Copy(all, values)
		text := `
listeners:
  - {name: httpSUFFIX, address: "HTTP", tls: {certificates: [{cert_file: CERT, key_file: KEY}]}}
  - {name: tcpSUFFIX, address: "TCP", protocol: tcp, cluster: aSUFFIX}
clusters:
  - {name: aSUFFIX, endpoints: ["127.0.0.1:9"]}
  - {name: bSUFFIX, consul: {service: svcSUFFIX}}
routes:
  - {name: r, match: {path_prefix: /}, cluster: aSUFFIX}
`
		for _, name := range slices.Sorted(maps.Keys(all)) {
			text = strings.ReplaceAll(text, name, all[name])
		}
		doc, err := config.Decode([]byte(text), config.Standard())
		if err != nil {
			t.Fatal(err)
		}
		return doc
	}
	now, end := context.WithCancel(t.Context()) // waits for no endpoints
	end()
	for _, row := range []struct {
		step, want string
		doc        func() *config.Document
	}{
		{"identities", "no such file", func() *config.Document {
			return document(map[string]string{"KEY": filepath.Join(dir, "none.pem")})
		}},
		{"clusters", "balance", func() *config.Document {
			doc := document(nil)
			doc.Clusters[1].Balance = "bogus"
			return doc
		}},
		{"requests", "address already in use", func() *config.Document {
			return document(map[string]string{"HTTP": taken.Addr().String()})
		}},
		{"connections", "address already in use", func() *config.Document {
			return document(map[string]string{"TCP": taken.Addr().String()})
		}},
	} {
		for _, serves := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, serving %v", row.step, serves), func(t *testing.T) {
				a := newApplier(t)
				if serves {
					first := document(map[string]string{"SUFFIX": ""})
					if err := a.apply(now, first, discovery.Document{Source: "test"}, nil); err != nil {
						t.Fatal(err)
					}
				}
				active, before := a.active, a.held()
				err := a.apply(now, row.doc(), discovery.Document{Source: "test"}, nil)
				if err == nil || !strings.Contains(err.Error(), row.want) {
					t.Fatalf("error %v, want one with %q", err, row.want)
				}
				if a.active != active {
					t.Error("what failed is active")
				}
				if after := a.held(); after != before {
					t.Errorf("before:\n%s\nafter the failure:\n%s", before, after)
				}
				if err := a.apply(now, document(nil), discovery.Document{Source: "test"}, nil); err != nil {
					t.Errorf("the next revision: %v", err)
				}
				if after := a.held(); strings.Count(after, "cluster ") != 2 || !strings.Contains(after, "query svc2") {
					t.Errorf("after the next revision:\n%s", after)
				}
			})
		}
	}
}

func TestPhases(t *testing.T) {
	type step func(n *serving)
	applied := func(n *serving) { n.applied(&config.Document{Revision: "r"}, "consul", n.status.Since) }
	confirmed := func(n *serving) { n.confirmed("consul") }
	missing := func(n *serving) { n.missing("consul has no document") }
	rejected := func(n *serving) { n.rejected(&Rejection{Hash: "h"}) }
	fellBack := func(n *serving) {
		before := n.status.LastRejected
		applied(n)
		n.fellBack("its document is invalid", before)
	}
	for _, row := range []struct {
		name     string
		steps    []step
		phase    phase
		orphaned bool
		rejected bool
		waiting  string
	}{
		{"start", nil, phaseStarting, false, false, ""},
		{"rejected at the start", []step{rejected}, phaseStarting, false, true, ""},
		{"fell back", []step{rejected, fellBack}, phaseFallback, false, true, "its document is invalid"},
		{"fell back, and then there is none", []step{rejected, fellBack, missing}, phaseFallback, false, false,
			"consul has no document"},
		{"fell back without one, and then it is rejected", []step{fellBack, missing, rejected},
			phaseFallback, false, true, notApplied},
		{"fell back, then applied", []step{rejected, fellBack, applied}, phaseCurrent, false, false, ""},
		{"fell back, and it is what the source says", []step{fellBack, confirmed}, phaseCurrent, false, false, ""},
		{"applied", []step{applied}, phaseCurrent, false, false, ""},
		{"applied, then rejected", []step{applied, rejected}, phaseCurrent, false, true, ""},
		{"gone", []step{applied, rejected, missing}, phaseOrphaned, true, false, ""},
		{"gone, twice told", []step{applied, missing, missing}, phaseOrphaned, true, false, ""},
		{"gone, then rejected", []step{applied, missing, rejected}, phaseOrphaned, true, true, ""},
		{"gone and back", []step{applied, missing, confirmed}, phaseCurrent, false, false, ""},
		{"gone, then another", []step{applied, missing, applied}, phaseCurrent, false, false, ""},
	} {
		var n serving
		for _, s := range row.steps {
			s(&n)
		}
		st := n.revisionStatus()
		if n.phase != row.phase || st.Orphaned != row.orphaned || (st.LastRejected != nil) != row.rejected ||
			n.waiting != row.waiting {
			t.Errorf("%s: phase %d, orphaned %v, rejected %v, waiting %q", row.name, n.phase, st.Orphaned,
				st.LastRejected, n.waiting)
		}
	}
}

// A revision whose services the catalog has not told yet is never ready, not even at the moment of its swap.
func TestUnansweredFromTheSwapOn(t *testing.T) {
	a := newApplier(t)
	doc := document(t, "clusters:\n- {name: c, consul: {service: unheard}}\n")
	var unanswered []string
	err := a.apply(t.Context(), doc, discovery.Document{Source: "file"}, func(n *serving) { unanswered = n.unanswered })
	if err != nil || len(unanswered) != 1 {
		t.Errorf("unanswered at the swap: %q, %v", unanswered, err)
	}
}
