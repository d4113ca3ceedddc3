package consul

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/fabian4/gateway-homebrew-go/discovery"
)

// Verdict is what a gateway says became of the newest document that it saw. Its JSON is what other tools may read.
type Verdict struct {
	Rev     string                  `json:"rev"`   // as who pushed it calls it; empty = there was no document yet
	State   discovery.RevisionState `json:"state"` // a later version may have more
	Since   time.Time               `json:"since"`
	Until   time.Time               `json:"until,omitzero"` // when the gateway's turn comes, while it waits for that
	Reasons []string                `json:"reasons"`

	// ProbationUntil is until when a revision that is applied would be taken back if it did harm; zero = it would not.
	// It stays when that is over, and so costs no write.
	ProbationUntil time.Time `json:"probation_until,omitzero"`

	Version string `json:"version"` // of the gateway
}

const (
	// maxVerdictBytes bounds a verdict in the store, maxReasonBytes one of its reasons.
	maxVerdictBytes = 8 << 10
	maxReasonBytes  = 1 << 10
)

// encode is the verdict as it is stored. Reasons for which there is no room are counted.
func (v *Verdict) encode() []byte {
	const rest = len(`"and 123456789 more",`)
	short := *v
	short.Rev, short.State = cutBytes(v.Rev, maxNameBytes), v.State
	short.Version, short.Reasons = cutBytes(v.Version, maxNameBytes), []string{} // a list in JSON, never null
	room := maxVerdictBytes - rest - len(toJSON(&short))
	for i, reason := range v.Reasons {
		reason = cutBytes(reason, maxReasonBytes)
		if room -= len(toJSON(reason)) + len(","); room < 0 {
			short.Reasons = append(short.Reasons, fmt.Sprintf("and %d more", len(v.Reasons)-i))
			break
		}
		short.Reasons = append(short.Reasons, reason)
	}
	return toJSON(&short)
}

func toJSON(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic("BUG: a verdict is no JSON: " + err.Error())
	}
	return text
}

// cutBytes is a text of at most so many bytes, which ends with a whole letter.
func cutBytes(text string, most int) string {
	if len(text) <= most {
		return text
	}
	for most > 0 && !utf8.RuneStart(text[most]) {
		most--
	}
	return text[:most]
}

// ackFolder is where the verdicts about the document of a key lie. Those of a folder lie beside it: within, each would
// wake all that follow the folder.
func ackFolder(key string) string {
	if folder, is := strings.CutSuffix(key, "/"); is {
		return folder + ".ack/"
	}
	return folderOf(key) + "ack/"
}

// keyBytes may be anywhere in a key.
const keyBytes = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_:"

// ackName is the last part of an instance's key. It has no byte that Consul or a reader could take for something else:
// no slash, no two dots; those are =XX.
func ackName(instance string) string {
	var b strings.Builder
	for i := range len(instance) {
		c := instance[i]
		dot := c == '.' && i > 0 && instance[i-1] != '.'
		if dot || strings.IndexByte(keyBytes, c) >= 0 {
			b.WriteByte(c)
			continue
		}
		fmt.Fprintf(&b, "=%02X", c)
	}
	return b.String()
}

// ackInstance is the instance whose key ends so. What no gateway wrote stays as it is.
func ackInstance(name string) string {
	var b strings.Builder
	for rest := name; rest != ""; {
		if rest[0] == '=' && len(rest) >= 3 {
			if c, err := hex.DecodeString(rest[1:3]); err == nil {
				b.WriteByte(c[0])
				rest = rest[3:]
				continue
			}
		}
		b.WriteByte(rest[0])
		rest = rest[1:]
	}
	return b.String()
}
