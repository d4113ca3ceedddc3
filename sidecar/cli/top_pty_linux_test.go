package cli

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"golang.org/x/term"

	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
)

// On a real terminal it draws on the other screen, obeys keys, and leaves the terminal as it was.
func TestTopOnATerminal(t *testing.T) {
	ours, theirs := testserver.Terminal(t, 80, 24)
	before, err := term.GetState(int(theirs.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	var seen testserver.Log
	go func() { _, _ = io.Copy(&seen, ours) }() // ends when the terminal is closed
	shows := func(text string) {
		t.Helper()
		testserver.WaitFor(t, 20*time.Second, "the terminal to show "+text, func() bool {
			return strings.Contains(seen.String(), text)
		})
	}
	done := make(chan int, 1)
	address := admin(t, topFixture())
	var stderr bytes.Buffer
	go func() {
		done <- Main(context.Background(), Process{Args: []string{"top", "--admin-listen", address},
			Stdin: theirs, Stdout: theirs, Stderr: &stderr})
	}()
	shows(screenBegin)
	shows("web: ready")
	shows("\x1b[7m  CLUSTER ")
	for _, key := range []struct{ press, shows string }{{"v", "ROUTE"}, {"s", "s sort (name)"},
		{"\x1b[Bq", screenEnd}} {
		if _, err := ours.WriteString(key.press); err != nil {
			t.Fatal(err)
		}
		shows(key.shows)
	}
	code := <-done
	if _, err := ours.WriteString("q\n"); err != nil { // ends the last read, as the process does
		t.Fatal(err)
	}
	if code != 0 || stderr.Len() > 0 {
		t.Errorf("top: code %d, stderr %q", code, &stderr)
	}
	after, err := term.GetState(int(theirs.Fd()))
	if err != nil || *after != *before {
		t.Errorf("the terminal is not as it was: %v, %v, want %v", err, after, before)
	}
}
