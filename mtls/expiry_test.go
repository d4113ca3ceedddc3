package mtls

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/internal/testcert"
)

// TestExpiryIsTold: each threshold once, those that are passed already when the certificate comes into service too.
func TestExpiryIsTold(t *testing.T) {
	const day = 24 * time.Hour
	for name, row := range map[string]struct {
		lives   time.Duration
		atOnce  [2]int // lines about its end, and about that it has ended
		total   [2]int
		renewed [2]int // once a certificate of the same length has taken its place
	}{
		"long":          {30 * day, [2]int{0, 0}, [2]int{2, 1}, [2]int{2, 1}},
		"ten days left": {10 * day, [2]int{1, 0}, [2]int{2, 1}, [2]int{2, 1}},
		"an hour left":  {time.Hour, [2]int{1, 0}, [2]int{1, 1}, [2]int{1, 1}},
		"ended":         {-time.Hour, [2]int{0, 1}, [2]int{0, 1}, [2]int{0, 2}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ca, dir := testcert.NewCA(t, "ca"), t.TempDir()
				leaf := func() *testcert.Pair {
					return ca.Leaf(t, testcert.Leaf{DNS: []string{"a.test"}, NotAfter: time.Now().Add(row.lives)})
				}
				settings := config.ListenerTLS{Certificates: []config.Certificate{
					certificate(leaf().Write(t, dir, "a")),
				}}
				set, log := newSet(t, Options{Unwatched: true})
				ctx, stop := context.WithCancel(t.Context())
				defer stop()
				go set.RunExpiry(ctx)
				want := func(when string, want [2]int) {
					t.Helper()
					synctest.Wait()
					if got := [2]int{log.count("expires soon"), log.count("has expired")}; got != want {
						t.Errorf("%s: %d lines of an end and %d of one that has come, want %d", when, got[0], got[1],
							want)
					}
				}
				p := prepare(t, set, listenerDoc(settings))
				want("prepared only", [2]int{})
				p.InService()
				want("at once", row.atOnce)
				prepare(t, set, listenerDoc(settings)).InService() // another revision changes nothing about it
				want("in another revision", row.atOnce)
				<-time.After(max(row.lives, 0) + 2*expiryEvery)
				want("in all", row.total)
				leaf().Write(t, dir, "a")
				set.Reload()
				<-time.After(2 * expiryEvery)
				want("renewed", row.renewed)
			})
		})
	}
}

// TestExpiryOfShortLives: certificates that live shorter than a threshold are renewed without a line.
func TestExpiryOfShortLives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca, dir := testcert.NewCA(t, "ca"), t.TempDir()
		renew := func() (cert, key string) {
			return ca.Leaf(t, testcert.Leaf{DNS: []string{"a.test"}, NotAfter: time.Now().Add(time.Hour)}).Write(t, dir,
				"a")
		}
		set, log := newSet(t, Options{Unwatched: true})
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		go set.RunExpiry(ctx)
		prepare(t, set, listenerDoc(config.ListenerTLS{
			Certificates: []config.Certificate{certificate(renew())},
		})).InService()
		for range 10 {
			<-time.After(30 * time.Minute)
			renew()
			set.Reload()
		}
		synctest.Wait()
		if n := log.count("expires soon"); n != 1 {
			t.Errorf("%d lines, want the first one only", n)
		}
	})
}

// TestExpiryOfObserved: what others read is told as what is in service, and nothing else comes of it.
func TestExpiryOfObserved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca, dir := testcert.NewCA(t, "ca"), t.TempDir()
		leaf := func(name string, lives time.Duration) config.Certificate {
			l := testcert.Leaf{DNS: []string{name}, NotAfter: time.Now().Add(lives)}
			return certificate(ca.Leaf(t, l).Write(t, dir, name))
		}
		set, log := newSet(t, Options{Unwatched: true})
		over, near := leaf("over", -time.Hour), leaf("near", 25*time.Hour)
		missing := config.Certificate{CertFile: dir + "/missing", KeyFile: dir + "/missing"}
		set.Observe([]config.Certificate{over, missing, near}, []string{over.CertFile, missing.CertFile})
		want := func(when string, soon, ended int) {
			t.Helper()
			if a, b := log.count("expires soon"), log.count("has expired"); a != soon || b != ended {
				t.Errorf("%s: %d lines of an end and %d of one that has come, want %d and %d", when, a, b, soon, ended)
			}
		}
		want("at once", 1, 2) // the expired one is a certificate and a CA
		if got := set.Status(); len(got) != 3 || got[0].Path != near.CertFile || got[1].Path != over.CertFile {
			t.Errorf("status %+v, want near and twice over", got)
		}
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		go set.RunExpiry(ctx)
		<-time.After(2 * time.Hour)
		synctest.Wait()
		want("an hour later", 2, 2)
		leaf("over", time.Hour)
		set.Reload()
		if got := set.Status(); len(got) != 3 || !got[1].NotAfter.After(time.Now()) {
			t.Errorf("status %+v, want the new file's end", got)
		}
	})
}
