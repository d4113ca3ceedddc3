package testgateway

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/fabian4/gateway-homebrew-go/internal/cluster"
	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/internal/netio"
	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
	"github.com/fabian4/gateway-homebrew-go/mtls"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// Patience is how long a test waits for what has to happen.
const Patience = 10 * time.Second

// Plan is a revision that a plane has prepared.
type Plan interface {
	Commit()
	Abort()
}

// Plane is what both planes can do.
type Plane[P Plan] interface {
	Prepare(doc *config.Document, clusters map[string]*cluster.Cluster, certs *mtls.Prepared) (P, error)
	Drain(ctx context.Context) (cut int)
	Listener(name string) (address string, connections int64, ok bool)
}

// Parts are what the planes of a process share.
type Parts struct {
	Registry *telemetry.Registry
	Logger   hclog.Logger
	Sweeper  *netio.Sweeper // at work
	Limit    *netio.Limit   // of 1000 connections, if the plane is not given another one
}

// Gateway is a plane S, whose plans are P, with one revision.
type Gateway[P Plan, S Plane[P]] struct {
	Parts
	Server   S
	Set      *cluster.Set
	Certs    *mtls.Set
	Clusters map[string]*cluster.Cluster // of the last revision that was prepared

	t       testing.TB
	all     []*cluster.Cluster // of all revisions
	drained sync.Once
}

// New makes a gateway without a revision. plane makes the plane, and may change the parts before. grace is how long the
// plane is waited for at the end of the test before what is left is cut.
func New[P Plan, S Plane[P]](
	t testing.TB, grace time.Duration, plane func(ctx context.Context, p *Parts) S,
) *Gateway[P, S] {
	t.Helper()
	g := &Gateway[P, S]{t: t, Parts: Parts{
		Registry: telemetry.NewRegistry(), Logger: hclog.NewNullLogger(),
		Sweeper: netio.NewSweeper(), Limit: netio.NewLimit(1000),
	}}
	g.Set = cluster.NewSet(cluster.Options{Registry: g.Registry, Logger: g.Logger})
	g.Certs = mtls.NewSet(mtls.Options{Unwatched: true})
	t.Cleanup(g.Certs.Close)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	g.Server = plane(ctx, &g.Parts)
	swept := make(chan struct{})
	go func() { defer close(swept); g.Sweeper.Run(ctx) }()
	t.Cleanup(func() {
		g.Drain(grace)
		g.Set.Retire(nil)
		g.NothingLeft() // while deadlines still pass: a peer that says nothing is waited for until then
		cancel()
		<-swept
	})
	return g
}

// NothingLeft waits until all that was taken has been given back: places of the limit, connections, leases.
func (g *Gateway[P, S]) NothingLeft() {
	g.t.Helper()
	testserver.WaitFor(g.t, Patience, "all connections and leases to end", func() bool {
		leases := int64(0)
		for _, c := range g.all {
			leases += c.InFlight()
		}
		return g.Limit.Used() == 0 && g.Sweeper.Len() == 0 && leases == 0
	})
}

// Drain ends the plane and returns how many connections it had to cut. Only the first call does anything.
func (g *Gateway[P, S]) Drain(grace time.Duration) (cut int) {
	g.drained.Do(func() {
		ctx, done := context.WithTimeout(context.WithoutCancel(g.t.Context()), grace)
		defer done()
		cut = g.Server.Drain(ctx)
	})
	return cut
}

// Apply makes the document the serving revision. base is what it says nothing about.
func (g *Gateway[P, S]) Apply(document string, base config.Base) {
	g.t.Helper()
	plan, keep, err := g.Prepare(document, base)
	if err != nil {
		g.t.Fatalf("prepare: %v", err)
	}
	plan.Commit()
	g.Set.Retire(keep)
}

// Prepare does all of Apply that can go wrong. keep is what Retire is to keep after a commit.
func (g *Gateway[P, S]) Prepare(document string, base config.Base) (plan P, keep []*cluster.Cluster, err error) {
	g.t.Helper()
	doc, err := config.Decode([]byte(document), base)
	if err != nil {
		g.t.Fatalf("document: %v\n%s", err, document)
	}
	g.Clusters = map[string]*cluster.Cluster{}
	for _, c := range doc.Clusters {
		cl, err := g.Set.Prepare(new(c))
		if err != nil {
			g.t.Fatalf("cluster %s: %v", c.Name, err)
		}
		g.Clusters[c.Name] = cl
		g.all = append(g.all, cl)
		keep = append(keep, cl)
	}
	cluster.StandIn(g.Clusters, doc.Failovers())
	certs, err := g.Certs.Prepare(doc)
	if err != nil {
		g.t.Fatalf("certificates: %v", err)
	}
	g.t.Cleanup(certs.Close)
	plan, err = g.Server.Prepare(doc, g.Clusters, certs)
	return plan, keep, err
}

// Says is that the catalog has these endpoints for a cluster.
func (g *Gateway[P, S]) Says(name string, addresses ...string) {
	list := []cluster.Instance{}
	for _, a := range addresses {
		list = append(list, cluster.Instance{Address: a, Weight: 1})
	}
	g.Clusters[name].SetEndpoints(list)
}

// Awaits waits until n requests or connections wait for the endpoints of a cluster.
func (g *Gateway[P, S]) Awaits(name string, n int) {
	g.t.Helper()
	c := g.Clusters[name]
	testserver.WaitFor(g.t, Patience, fmt.Sprintf("%d that wait for endpoints", n), func() bool {
		return c.Status().Awaiting == n
	})
}

// Faults is how often something ended under the flag.
func (g *Gateway[P, S]) Faults(f telemetry.Flag) int64 { return g.Registry.Fault(f).Load() }

// Counted waits until there were n faults of the flag, and no more.
func (g *Gateway[P, S]) Counted(f telemetry.Flag, n int64) {
	g.t.Helper()
	testserver.WaitFor(g.t, Patience, "faults "+f.String(), func() bool { return g.Faults(f) >= n })
	if got := g.Faults(f); got != n {
		g.t.Errorf("faults %s = %d, want %d", f, got, n)
	}
}
