package consul

import (
	"context"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fabian4/gateway-homebrew-go/discovery"
)

// patience is how long a test waits for what must come at once. A large document under the race detector, on a machine
// that has ten other things to do, takes half a minute. How soon something comes is not measured with it.
const patience = time.Minute

// follow runs a source for the length of a test.
func follow(t *testing.T, s discovery.Source) <-chan discovery.Document {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	out := make(chan discovery.Document, 16) // for what comes while a test waits for something else
	var running sync.WaitGroup
	running.Go(func() { s.Run(ctx, out) })
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
	return out
}

// next is the next document, which must come.
func next(t *testing.T, out <-chan discovery.Document) discovery.Document {
	t.Helper()
	select {
	case d := <-out:
		return d
	case <-time.After(patience):
		t.Fatal("no document came")
		return discovery.Document{}
	}
}

// body is what a single document says: its text, or why there is none.
func body(d discovery.Document) string {
	switch {
	case d.Negative:
		return "(negative)"
	case d.Refused != nil:
		return "(refused) " + d.Refused.Error()
	}
	var all []string
	for _, p := range d.Parts {
		if p.Name != "" {
			all = append(all, p.Name+"="+string(p.Data))
		} else {
			all = append(all, string(p.Data))
		}
	}
	return strings.Join(all, " ")
}

func want(t *testing.T, out <-chan discovery.Document, text string) discovery.Document {
	t.Helper()
	d := next(t, out)
	if got := body(d); !strings.Contains(got, text) || text == "" && got != "" {
		t.Fatalf("document %q, want %q", got, text)
	}
	return d
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
