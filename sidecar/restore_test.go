package sidecar

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// keeping is an applier with a state directory, by the clock of a bubble.
type keeping struct {
	tried
	ended chan struct{}
}

// keepIn starts one with a directory, which serves from it if it can.
func keepIn(t *testing.T, dir string, probation time.Duration) keeping {
	t.Helper()
	a := keeping{newTried(t), make(chan struct{})}
	a.boot.StateDir, a.boot.Probation = dir, probation
	a.state = openState(&a.boot, a.logger)
	go func() { defer close(a.ended); a.state.run() }()
	a.restore(t.Context())
	a.state.begun()
	return a
}

// crashes has the process end, after what it has written.
func (a keeping) crashes() {
	close(a.state.writes)
	<-a.ended
}

// passes lets time pass, in which requests of the route shop end with flag.
func (a keeping) passes(d time.Duration, flag telemetry.Flag) {
	for until := time.Now().Add(d); time.Now().Before(until); {
		<-time.After(lookEvery)
		a.answers("shop", 10, flag)
		if a.probation != nil {
			a.checkProbation(a.t.Context(), time.Now())
		}
		a.keep(time.Now())
	}
	synctest.Wait()
}

// has tells that the directory has the document of that text, and whether that was on trial.
func (a keeping) has(text string, onTrial bool) {
	a.t.Helper()
	synctest.Wait()
	var l lastGood
	if err := a.state.dir.Read(lastGoodFile, &l); err != nil {
		a.t.Fatal(err)
	}
	if l.Document.Hash != text || l.Document.OnTrial != onTrial {
		a.t.Fatalf("kept %q, on trial %v, want %q, %v", l.Document.Hash, l.Document.OnTrial, text, onTrial)
	}
}

// While documents come faster than their trials end, what is kept is not far behind what serves. That is so with
// probation and without.
func TestKeptWhileDocumentsComeFast(t *testing.T) {
	for _, probation := range []time.Duration{0, 15 * time.Second} {
		t.Run(fmt.Sprint(probation), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := keepIn(t, filepath.Join(t.TempDir(), "state"), probation)
				defer a.crashes()
				a.gets(shop(1, ""))
				a.has(shop(1, ""), true) // better than nothing
				a.passes(16*time.Second, telemetry.NoFlag)
				a.has(shop(1, ""), false)
				for port := 2; port < 40; port++ {
					a.gets(shop(port, ""))
					a.passes(2*time.Second, telemetry.NoFlag)
					if port%8 == 2 && port > 2 { // 16 seconds, and one document before
						a.has(shop(port-1, ""), true)
					}
				}
				written := a.savedAt
				a.gets(shop(40, ""))
				a.gets(shop(41, ""))
				a.gets(shop(42, ""))
				if a.savedAt != written {
					t.Error("written for each of several documents at once")
				}
				a.passes(16*time.Second, telemetry.NoFlag)
				a.has(shop(42, ""), false)
			})
		})
	}
}

// What somebody does to the directory while the gateway has nothing new to write is noticed, and the state is written
// anew. The same is so when the directory was refused at the start.
func TestKeptAnewWhenItWasSpoiled(t *testing.T) {
	for name, spoil := range map[string]func(dir string) error{
		"file removed":      func(dir string) error { return os.Remove(filepath.Join(dir, lastGoodFile)) },
		"file cut":          func(dir string) error { return os.Truncate(filepath.Join(dir, lastGoodFile), 10) },
		"directory removed": os.RemoveAll,
		"directory renamed": func(dir string) error { return os.Rename(dir, dir+".old") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dir := filepath.Join(t.TempDir(), "state")
				a := keepIn(t, dir, 0)
				defer a.crashes()
				a.gets(shop(1, ""))
				a.passes(2*time.Minute, telemetry.NoFlag)
				if err := spoil(dir); err != nil {
					t.Fatal(err)
				}
				a.passes(intactEvery, telemetry.NoFlag)
				a.passes(2*time.Second, telemetry.NoFlag)
				a.has(shop(1, ""), false)
				if s := a.state.Status(); s.Error != "" {
					t.Errorf("status %+v", s)
				}
			})
		})
	}
	t.Run("refused at the start", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "state")
			if err := os.WriteFile(dir, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			a := keepIn(t, dir, 0)
			defer a.crashes()
			a.gets(shop(1, ""))
			a.passes(time.Minute, telemetry.NoFlag)
			if s := a.state.Status(); !strings.HasSuffix(s.Error, "not a directory") {
				t.Errorf("status %+v", s)
			}
			if err := os.Remove(dir); err != nil {
				t.Fatal(err)
			}
			a.passes(endpointsEvery+intactEvery, telemetry.NoFlag)
			a.has(shop(1, ""), false)
			if s := a.state.Status(); s.Error != "" {
				t.Errorf("status %+v", s)
			}
		})
	})
}

// What something speaks against is not kept, nor is what was rolled back. What was put back is kept soon.
func TestNotKeptWhatDoesHarm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := keepIn(t, filepath.Join(t.TempDir(), "state"), 15*time.Second)
		defer a.crashes()
		a.gets(shop(1, ""))
		a.passes(40*time.Second, telemetry.NoFlag)
		a.gets(shop(2, ""))
		a.passes(time.Second, telemetry.UF)
		a.gets(shop(3, "")) // in place of one that is doubtful
		a.has(shop(1, ""), false)
		a.passes(time.Second, telemetry.NoFlag)
		a.gets(shop(4, "")) // its trial was not over
		a.has(shop(3, ""), true)
		a.passes(5*time.Second, telemetry.UF)
		a.serves(shop(3, "")) // rolled back
		a.has(shop(3, ""), true)
		a.passes(80*time.Second, telemetry.NoFlag)
		a.has(shop(3, ""), false)

		a.gets(shop(5, ""))
		a.passes(time.Second, telemetry.NoFlag)
		a.gets(shop(6, ""))
		a.passes(time.Second, telemetry.NoFlag)
		a.gets(shop(7, "")) // nothing is written: the one before was, just now
		a.has(shop(5, ""), true)
		a.passes(5*time.Second, telemetry.UF)
		a.serves(shop(6, ""))
		a.passes(15*time.Second, telemetry.NoFlag)
		a.has(shop(6, ""), false)
	})
}

// The author takes back a document, and the process ends. The one that was taken back does not serve again.
func TestKeptStaysWhenItComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "state")
		a := keepIn(t, dir, 15*time.Second)
		a.gets(shop(1, ""))
		a.passes(40*time.Second, telemetry.NoFlag)
		a.gets(shop(2, ""))
		a.passes(5*time.Second, telemetry.NoFlag)
		a.gets(shop(1, ""))
		a.has(shop(1, ""), false)
		a.crashes()

		a = keepIn(t, dir, 15*time.Second)
		defer a.crashes()
		a.serves(shop(1, ""))
	})
}

// What ends the process in good order keeps the document before the one on probation. Its own trial was not over
// either.
func TestKeptAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "state")
		a := keepIn(t, dir, 15*time.Second)
		a.gets(shop(1, ""))
		a.passes(16*time.Second, telemetry.NoFlag)
		for port := 2; port < 4; port++ {
			a.gets(shop(port, ""))
			a.passes(time.Second, telemetry.NoFlag)
		}
		a.has(shop(1, ""), false)
		a.keepLast()
		<-a.ended

		a = keepIn(t, dir, 15*time.Second)
		defer a.crashes()
		a.serves(shop(2, ""))
		a.has(shop(2, ""), true)
	})
}

// A disk that has room again gets what it could not take, be there a change or not.
func TestKeptOnceThereIsRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "state")
		a := keepIn(t, dir, 15*time.Second)
		defer a.crashes()
		inTheWay := filepath.Join(dir, lastGoodFile+".new")
		for _, folder := range []string{inTheWay, inTheWay + ".bad"} { // so that the first cannot be set aside
			if err := os.MkdirAll(filepath.Join(folder, "x"), 0o700); err != nil {
				t.Fatal(err)
			}
		}
		a.gets(shop(1, ""))
		a.passes(5*time.Minute, telemetry.NoFlag)
		if a.state.Status().Error == "" {
			t.Fatal("it is kept, although its file cannot be made")
		}
		if err := os.RemoveAll(inTheWay); err != nil {
			t.Fatal(err)
		}
		a.passes(endpointsEvery+time.Second, telemetry.NoFlag)
		a.has(shop(1, ""), false)
		if st := a.state.Status(); st.Error != "" {
			t.Errorf("status %+v", st)
		}
	})
}

// A document that was kept before its trial was over goes on with it at the next start. It is blamed for the ends of
// the process.
func TestTrialOfAKeptDocumentGoesOn(t *testing.T) {
	for _, row := range []struct {
		name   string
		serves time.Duration // after each start
		kept   bool          // at the end
	}{
		{"the process ends in it", time.Second, false},
		{"the process ends after it", 20 * time.Second, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dir := filepath.Join(t.TempDir(), "state")
				a := keepIn(t, dir, 15*time.Second)
				a.gets(shop(1, ""))
				for range lastStarts - 1 {
					a.passes(row.serves, telemetry.NoFlag)
					a.crashes()
					a = keepIn(t, dir, 15*time.Second)
					a.serves(shop(1, ""))
					a.gets(shop(1, "")) // the source still has it
				}
				a.passes(row.serves, telemetry.NoFlag)
				a.crashes()
				a = keepIn(t, dir, 15*time.Second)
				defer a.crashes()
				if kept := a.active != nil; kept != row.kept {
					t.Errorf("serves %v, want %v; trial %+v", kept, row.kept, a.trials().now)
				}
			})
		})
	}
}
