package sidecar

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fabian4/gateway-homebrew-go/discovery"
	"github.com/fabian4/gateway-homebrew-go/internal/config"
)

// The part of GATEWAY_SPREAD is the same in every process, and never more than all of it. The parts of a fleet are
// spread over it.
func TestShareOfTheSpread(t *testing.T) {
	of := func(instance string, spread time.Duration) time.Duration {
		return (&Bootstrap{Instance: instance, Spread: spread}).share()
	}
	if got := of("web-1", time.Minute); got != of("web-1", time.Minute) || got != of("web-1", time.Hour)/60 {
		t.Errorf("the share of web-1 is %v", got)
	}
	if got := of("web-1", 0); got != 0 {
		t.Errorf("of nothing %v", got)
	}
	const gateways, parts = 1000, 10
	var in [parts]int
	for i := range gateways {
		share := of(fmt.Sprint("web-", i), time.Minute)
		if share < 0 || share >= time.Minute {
			t.Fatalf("web-%d waits %v of a minute", i, share)
		}
		in[share*parts/time.Minute]++
	}
	for i, n := range in {
		if n < gateways/parts*7/10 || n > gateways/parts*13/10 {
			t.Errorf("%d of %d gateways are in part %d of %d: %v", n, gateways, i, parts, in)
		}
	}
}

// spreading is a gateway whose applying goroutine runs, by the clock of a bubble.
type spreading struct {
	tried
	documents chan discovery.Document
	share     time.Duration
}

// spread runs a test with it. It serves its first document already.
func spread(t *testing.T, test func(t *testing.T, g *spreading)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		a := newTried(t)
		a.boot.Spread, a.boot.Instance = time.Minute, "web-1"
		ctx, end := context.WithCancel(t.Context())
		g := &spreading{tried: a, documents: make(chan discovery.Document), share: a.boot.share()}
		if g.share < 5*time.Second || g.share > 55*time.Second {
			t.Fatalf("web-1 waits %v of a minute: of no use here", g.share)
		}
		ended := make(chan error, 1)
		go func() { ended <- a.revisions(ctx, g.documents) }()
		defer func() {
			end()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}()
		g.gets(shop(1, ""))
		g.serves(shop(1, "")) // at once
		test(t, g)
	})
}

// gets has the source deliver a document, as edited.
func (g *spreading) gets(text string, edit ...func(*discovery.Document)) {
	g.t.Helper()
	d := discovery.Document{Source: "file", Hash: text, Parts: []config.Part{{Data: []byte(text)}}}
	for _, edit := range edit {
		edit(&d)
	}
	g.documents <- d
	synctest.Wait()
}

// serves tells that the document of that text does. The applying goroutine runs, so it is the status that tells.
func (g *spreading) serves(text string) {
	g.t.Helper()
	doc, err := config.Decode([]byte(text), g.boot.Base())
	if err != nil {
		g.t.Fatal(err)
	}
	if got := g.told().ID; got != doc.Revision {
		g.t.Fatalf("serves %s, want %s", got, doc.Revision)
	}
}

// passes lets time pass.
func (g *spreading) passes(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// waits tells that a document waits for its turn, which comes in so long.
func (g *spreading) waits(in time.Duration) {
	g.t.Helper()
	st := g.told()
	if h := st.Held; h == nil || h.State != discovery.RevisionWaiting || time.Until(h.Until) != in ||
		!strings.Contains(h.Reasons[0], "GATEWAY_SPREAD (1m0s)") {
		g.t.Fatalf("held %+v, want one that waits another %v", h, in)
	}
	g.mu.Lock()
	v, _ := g.now.verdict()
	record := g.now.history[0]
	g.mu.Unlock()
	if v.State != discovery.RevisionWaiting || v.Rev != st.Held.ID || !v.Until.Equal(st.Held.Until) {
		g.t.Errorf("says %+v", v)
	}
	if record.State != discovery.RevisionWaiting || len(record.Reasons) != 2 {
		g.t.Errorf("recorded as %+v", record)
	}
	t := troubles{now: time.Now()}
	if t.revision(&st); len(t.list) != 0 {
		g.t.Errorf("that is trouble: %+v", t.list)
	}
}

// idle tells that no document waits.
func (g *spreading) idle() {
	g.t.Helper()
	if h := g.told().Held; h != nil {
		g.t.Errorf("held %+v", h)
	}
}

func TestSpread(t *testing.T) {
	const second = time.Second
	t.Run("waits its share", func(t *testing.T) {
		spread(t, func(_ *testing.T, g *spreading) {
			g.gets(shop(2, ""))
			g.waits(g.share)
			g.passes(g.share - 1)
			g.serves(shop(1, ""))
			g.waits(1)
			g.passes(1)
			g.serves(shop(2, ""))
			g.idle()
		})
	})
	t.Run("a newer one waits anew, and replaces it", func(t *testing.T) {
		spread(t, func(_ *testing.T, g *spreading) {
			g.gets(shop(2, ""))
			g.passes(2 * second)
			g.gets(shop(3, ""))
			g.waits(g.share)
			g.passes(g.share - 1)
			g.serves(shop(1, ""))
			g.passes(1)
			g.serves(shop(3, ""))
			if n := g.told().Applied; n != 2 {
				t.Errorf("%d revisions were applied, want 2", n)
			}
		})
	})
	t.Run("told once more it keeps its turn", func(t *testing.T) {
		spread(t, func(_ *testing.T, g *spreading) {
			g.gets(shop(2, ""))
			g.passes(2 * second)
			g.gets(shop(2, ""), func(d *discovery.Document) { d.Forced = time.Now() })
			g.waits(g.share - 2*second)
			g.passes(g.share - 2*second)
			g.serves(shop(2, ""))
		})
	})
	t.Run("what serves takes it back at once, and it waits anew", func(t *testing.T) {
		spread(t, func(_ *testing.T, g *spreading) {
			g.gets(shop(2, ""))
			g.passes(2 * second)
			g.gets(shop(1, ""))
			g.idle()
			g.passes(2 * time.Minute)
			g.serves(shop(1, ""))
			g.gets(shop(2, ""))
			g.waits(g.share)
		})
	})
	t.Run("a bad one is rejected at once", func(t *testing.T) {
		spread(t, func(_ *testing.T, g *spreading) {
			g.gets(shop(2, ""))
			g.gets("routes: nothing\n")
			g.idle()
			if g.told().LastRejected == nil {
				t.Error("not rejected")
			}
			g.passes(2 * time.Minute)
			g.serves(shop(1, ""))
			g.gets(shop(2, ""))
			g.waits(g.share)
		})
	})
	t.Run("a rollback does not wait", func(t *testing.T) {
		spread(t, func(_ *testing.T, g *spreading) {
			g.gets(shop(2, ""), func(d *discovery.Document) { d.Rollback = true })
			g.serves(shop(2, ""))
			g.idle()
		})
	})
	t.Run("a rollback to what waits ends the wait", func(t *testing.T) {
		spread(t, func(_ *testing.T, g *spreading) {
			g.gets(shop(2, ""))
			g.gets(shop(2, ""), func(d *discovery.Document) { d.Rollback = true })
			g.serves(shop(2, ""))
		})
	})
	t.Run("a person here ends the wait", func(t *testing.T) {
		spread(t, func(_ *testing.T, g *spreading) {
			g.gets(shop(2, ""))
			g.again.Store(true) // SIGHUP
			g.gets(shop(2, ""))
			g.serves(shop(2, ""))
			g.gets(shop(3, ""))
			g.waits(g.share)
		})
	})
	t.Run("after its turn it is held as ever", func(t *testing.T) {
		spread(t, func(_ *testing.T, g *spreading) {
			g.gets("routes: [{name: shop, cluster: c}]\nclusters: [{name: c, consul: {service: unheard}}]\n")
			g.waits(g.share)
			if queries := g.held(); !strings.Contains(queries, "query unheard\n") {
				t.Errorf("its services are not looked up meanwhile: %s", queries)
			}
			g.passes(g.share)
			g.serves(shop(1, ""))
			const why = "waits for service unheard"
			if h := g.told().Held; h == nil || !h.Until.IsZero() || !strings.Contains(h.Reasons[0], why) {
				t.Errorf("held %+v", h)
			}
		})
	})
	t.Run("nothing comes into service in the end of the process", func(t *testing.T) {
		spread(t, func(_ *testing.T, g *spreading) { g.gets(shop(2, "")) })
	})
}

// What comes while the bootstrap serves alone, or what was kept, does not wait.
func TestSpreadOfAFirstDocument(t *testing.T) {
	for name, begin := range map[string]func(a tried) error{
		"the bootstrap alone": func(a tried) error { return a.orFallBack(t.Context(), "nothing was heard") },
		"what was kept": func(a tried) error {
			a.gets(shop(1, ""))
			a.mu.Lock()
			defer a.mu.Unlock()
			a.now.restored(time.Now(), nil)
			return nil
		},
	} {
		a := newTried(t)
		a.boot.Spread = time.Hour
		if err := begin(a); err != nil {
			t.Fatal(err)
		}
		a.gets(shop(2, ""))
		if a.active.from.Hash != shop(2, "") {
			t.Errorf("%s: serves %q", name, a.active.from.Hash)
		}
	}
}
