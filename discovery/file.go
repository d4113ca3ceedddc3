package discovery

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/hashicorp/go-hclog"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/internal/filewatch"
	"github.com/fabian4/gateway-homebrew-go/internal/namedfile"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// file is the source that follows one file.
type file struct {
	path    string
	changes chan struct{} // one token: read it
	again   atomic.Bool   // deliver also what has not changed
	tracker *Tracker
	log     hclog.Logger
}

// NewFile is the source that follows the document at path. One that is missing
// is delivered as Negative and waited for. log may be nil.
func NewFile(path string, log hclog.Logger) (Source, error) {
	whole, err := filepath.Abs(path)
	if path == "" || err != nil {
		return nil, fmt.Errorf("file %q: not a path", path)
	}
	return &file{
		path:    whole,
		changes: make(chan struct{}, 1),
		log:     log,
		tracker: NewTracker(log, fmt.Sprintf("file %q", whole)),
	}, nil
}

// Run reads once at once, and then whenever the file may have changed.
func (f *file) Run(ctx context.Context, out chan<- Document) {
	last := f.read()
	Send(ctx, out, last)

	var watcher sync.WaitGroup
	defer watcher.Wait()
	watcher.Go(func() { filewatch.Watch(ctx, func() { Signal(f.changes) }, f.log, f.path) })

	for {
		select {
		case <-f.changes:
		case <-ctx.Done():
			return
		}
		again := f.again.Swap(false)
		if next := f.read(); again || !last.Same(next) {
			last = next
			Send(ctx, out, next)
		}
	}
}

func (f *file) Reload() {
	f.again.Store(true)
	Signal(f.changes)
}

func (f *file) Status() Status { return f.tracker.Status() }

// read is what the file holds now.
func (f *file) read() Document {
	d, err := readDocument(f.path)
	if err != nil {
		f.tracker.Failed(telemetry.DiscoveryServer, err)
	} else {
		f.tracker.OK(0)
	}
	return d
}

// ReadDocument is what the file at path holds at this moment, as its source would deliver it.
func ReadDocument(path string) Document {
	d, _ := readDocument(path) // the document has what is wrong with it
	return d
}

// readDocument reads the document at path; the error says why there is nothing to read.
func readDocument(path string) (Document, error) {
	text, err := ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Document{Source: "file", Negative: true}, errors.New("no such file")
	case err != nil:
		return NewRefused("file", err), err
	}
	return NewDocument("file", path, []config.Part{{Data: text}}), nil
}

// ReadFile reads a regular file of a bounded size. Anything else (a folder, a
// pipe that nobody writes to) is refused before it can hold us up.
func ReadFile(path string) ([]byte, error) { return namedfile.Read(path, config.MaxDocumentBytes) }
