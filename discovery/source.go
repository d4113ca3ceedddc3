package discovery

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
)

// A Document is one state of a source: what a revision is made from, or why
// there is nothing to make one from. Parts, Refused and Negative exclude each
// other, except that the environment may well have no parts.
type Document struct {
	Source string // "env", "file" or "consul"

	// Parts are never edited after delivery. A single document has no name; those
	// of a folder are named by their key below it, and come in key order.
	Parts []config.Part

	// Hash is the identity of the content. For a single document it is the plain
	// SHA-256 of its bytes, as sha256sum prints it.
	Hash string

	// Name is how who pushed it calls its revision; empty = it was not pushed, or the name is none that can be shown.
	Name string

	// Index is Consul's ModifyIndex (of a folder: the highest). It tells a person
	// which write this was and is no identity: it goes backwards after a restore.
	Index uint64

	// Forced is when a person asked for this document once more, whatever became of it before; zero = nobody did.
	Forced time.Time

	// Rollback says that a person takes back what was live: no gateway waits for its turn.
	Rollback bool

	// Negative says that there is no document, and that this was confirmed. What
	// is active stays active, as orphaned.
	Negative bool

	// Refused says why what is there is no document: empty, too large,
	// unreadable. It names the key or path.
	Refused error
}

// A Source delivers the document of a revision, and again whenever it changes.
type Source interface {
	// Run sends what the source holds to out until ctx ends, and returns when
	// everything that it started has ended. Nothing is skipped: a receiver that is
	// busy holds the source up. It is called once.
	Run(ctx context.Context, out chan<- Document)

	// Reload reads anew and delivers also what has not changed, so that a document
	// which was rejected gets another chance. It does not wait, and may be called
	// from any goroutine.
	Reload()

	// Status is for people. It may be called from any goroutine.
	Status() Status
}

// NewDocument is what parts amount to: refused when they are empty or too large.
// name is how the source's people call it.
func NewDocument(source, name string, parts []config.Part) Document {
	total := 0
	for _, part := range parts {
		if len(part.Data) == 0 {
			return NewRefused(source, fmt.Errorf("%s%s: empty", name, part.Name))
		}
		total += len(part.Data)
	}
	if total > config.MaxDocumentBytes {
		return NewRefused(source, fmt.Errorf("%s: larger than %d MiB (%d bytes)", name, config.MaxDocumentBytes>>20,
			total))
	}
	return Document{Source: source, Parts: parts, Hash: hashOf(parts)}
}

// NewRefused is that what is there is no document, and why. It has a hash too, so that the same refusal is delivered
// once.
func NewRefused(source string, why error) Document {
	sum := sha256.Sum256([]byte(why.Error()))
	return Document{Source: source, Refused: why, Hash: hex.EncodeToString(sum[:])}
}

// hashOf tells apart everything that differs: where there are names, each name
// and each body is preceded by its length.
func hashOf(parts []config.Part) string {
	h := sha256.New()
	frame := func(b []byte) {
		_, _ = h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(b))))
		_, _ = h.Write(b)
	}
	for _, part := range parts {
		if len(parts) == 1 && part.Name == "" {
			_, _ = h.Write(part.Data)
			break
		}
		frame([]byte(part.Name))
		frame(part.Data)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Same reports whether other says nothing new after d.
func (d Document) Same(other Document) bool {
	return d.Hash == other.Hash && d.Name == other.Name && d.Negative == other.Negative &&
		(d.Refused == nil) == (other.Refused == nil) && d.Forced.Equal(other.Forced)
}

// Send gives a document to the receiver, or gives up with ctx.
func Send(ctx context.Context, out chan<- Document, d Document) {
	select {
	case out <- d:
	case <-ctx.Done():
	}
}
