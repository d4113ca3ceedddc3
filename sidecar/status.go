package sidecar

import (
	"time"

	"github.com/fabian4/gateway-homebrew-go/discovery"
	"github.com/fabian4/gateway-homebrew-go/discovery/consul"
	"github.com/fabian4/gateway-homebrew-go/internal/cluster"
	"github.com/fabian4/gateway-homebrew-go/internal/passwords"
	"github.com/fabian4/gateway-homebrew-go/mtls"
	"github.com/fabian4/gateway-homebrew-go/proxy/route"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// Status is how the sidecar is, as GET /status shows it. The names in its JSON
// are promised to scripts: they are added to, never changed.
type Status struct {
	Version  Build     `json:"version"`
	Service  string    `json:"service"`
	Instance string    `json:"instance"`
	Started  time.Time `json:"started"`

	Ready    bool     `json:"ready"`
	Reasons  []string `json:"reasons"` // why it is not, a sentence each
	Draining bool     `json:"draining"`
	Trouble  []string `json:"trouble"` // what is wrong although it may be ready, the worst first

	Source        Source                `json:"source"`
	Revision      RevisionStatus        `json:"revision"`
	Revisions     []RevisionRecord      `json:"revisions"` // the last ones, the newest first
	Listeners     []ListenerStatus      `json:"listeners"`
	Routes        []RouteStatus         `json:"routes"` // of the document and the bootstrap, the first 200
	RoutesTotal   int                   `json:"routes_total"`
	Clusters      []cluster.Status      `json:"clusters"`
	Rates         telemetry.Rates       `json:"rates"`
	Limits        LimitStatus           `json:"limits"`
	Panics        telemetry.PanicStatus `json:"panics"` // faults of the gateway itself
	Discovery     []discovery.Status    `json:"discovery"`
	Certificates  []mtls.Status         `json:"certificates"`
	PasswordFiles []passwords.Status    `json:"password_files"`
	Settings      []Setting             `json:"settings"` // of the environment and the flags; no secrets

	LogError string `json:"log_error,omitempty"` // why the access log cannot be written
	// LogReopenError is why the access log could not be opened anew, so that the file from before stays in use.
	LogReopenError string `json:"log_reopen_error,omitempty"`
	// TokenError is why CONSUL_HTTP_TOKEN_FILE has no token, so that the last good one stays in use.
	TokenError string `json:"token_error,omitempty"`

	State *StateStatus `json:"state,omitempty"` // nil without GATEWAY_STATE_DIR

	Verdict *consul.AckStatus `json:"verdict,omitempty"` // nil where none is written
}

// LimitStatus is what bounds the whole process.
type LimitStatus struct {
	Connections ConnectionLimit `json:"connections"`
	Descriptors DescriptorLimit `json:"descriptors"`
}

// ConnectionLimit is GATEWAY_MAX_CONNECTIONS.
type ConnectionLimit struct {
	Used    int   `json:"used"`
	Max     int   `json:"max"`
	Waiting int64 `json:"waiting"` // listeners that have a client waiting for a place
}

// DescriptorLimit is that of open files.
type DescriptorLimit struct {
	Used int64 `json:"used"` // 0 where the system does not tell
	Max  int64 `json:"max"`  // 0 = unknown
}

// RevisionStatus is what serves, and what was refused.
type RevisionStatus struct {
	ID       string    `json:"id"` // empty until the first one serves
	Source   string    `json:"source"`
	Since    time.Time `json:"since,omitzero"`
	Orphaned bool      `json:"orphaned"` // its document is gone from the source
	Applied  uint64    `json:"applied"`  // since the start
	Rejected uint64    `json:"rejected"`

	// AsOf is when the source last said what serves; only while it serves from the state directory.
	AsOf time.Time `json:"as_of,omitzero"`

	// Replay is what this revision made of recent requests when it came into service; nil = there were none.
	Replay *route.Replayed `json:"replay,omitempty"`

	// ProbationUntil is until when the one before would be put back if this one did harm; zero = no more.
	ProbationUntil time.Time `json:"probation_until,omitzero"`

	// RolledBack is the newest document if it did harm and the one before it was put back.
	RolledBack *RolledBack `json:"rolled_back,omitempty"`

	// LastRejected is the newest document that was refused, until one is applied.
	LastRejected *Rejection `json:"last_rejected,omitempty"`

	// Held is the newest document while it is not applied: it would take the endpoints from what serves, or waits for
	// its turn.
	Held *Held `json:"held,omitempty"`
}

// Held is a document that waits, and for what.
type Held struct {
	ID string `json:"id"`
	// waiting: the catalog has not said which endpoints there are, or its turn has not come; held: there are none
	State   discovery.RevisionState `json:"state"`
	Since   time.Time               `json:"since"`
	Until   time.Time               `json:"until,omitzero"` // when its turn comes (GATEWAY_SPREAD); zero = nobody knows
	Reasons []string                `json:"reasons"`

	name string // of its revision, as who pushed it calls it
}

// RolledBack is a document that was taken out of service again, and why.
type RolledBack struct {
	ID    string    `json:"id"`
	Hash  string    `json:"hash"`  // of its content
	To    string    `json:"to"`    // the revision that was put back
	Since time.Time `json:"since"` // it was in service
	At    time.Time `json:"at"`    // it was taken out

	// Of the routes, and listeners of L4, that it had changed.
	Requests uint64     `json:"requests"` // or connections, while it served
	Failed   uint64     `json:"failed"`   // of these, by a fault of the gateway's own and not of the app
	Reasons  []string   `json:"reasons"`
	Compared []Compared `json:"compared"` // those with the most faults, at most 6

	name string // as who pushed it calls it; empty: it was put by hand
}

// Compared is how something fared before a revision, and since.
type Compared struct {
	Name   string  `json:"name"` // such as "route shop"
	Before Figures `json:"before"`
	Since  Figures `json:"since"`
}

// Figures are how many requests, or connections, there were, and how many failed.
type Figures struct {
	Requests uint64 `json:"requests"`
	Failed   uint64 `json:"failed"`
}

// Rejection is a document that does not serve, and all that is wrong with it.
type Rejection struct {
	// ID is the name of its revision, as far as it is known: as who pushed it calls it, or as its content does. Where
	// it was never read, it is the beginning of the hash. Empty = there was nothing to read.
	ID      string    `json:"id,omitempty"`
	Hash    string    `json:"hash"`  // of its content
	Class   string    `json:"class"` // source, invalid, prepare, quarantined or replay
	At      time.Time `json:"at"`
	Reasons []string  `json:"reasons"`

	// RetryAt is when it is tried again: what is wrong is outside of it. Zero = not until its content changes.
	RetryAt time.Time `json:"retry_at,omitzero"`
}

// newRejection notes what speaks against a document. Where it has no name, it gets one of its bytes.
func newRejection(d discovery.Document, class string, at time.Time, why []string) *Rejection {
	r := &Rejection{Hash: d.Hash, Class: class, At: at, Reasons: why, ID: d.Name}
	if r.ID == "" && d.Refused == nil {
		r.ID = d.Hash[:min(len(d.Hash), 12)]
	}
	return r
}

// ListenerStatus is one address that we accept on.
type ListenerStatus struct {
	Name        string `json:"name"`
	Address     string `json:"address"` // as bound: a port 0 is resolved
	Protocol    string `json:"protocol"`
	TLS         bool   `json:"tls"`
	Cluster     string `json:"cluster,omitempty"` // of an L4 listener
	Connections int64  `json:"connections"`
	Draining    bool   `json:"draining"` // removed from the revision, its connections live on
}

// lists gives empty lists where there are none, so that a script never meets null.
func (s Status) lists() Status {
	s.Reasons = orEmpty(s.Reasons)
	s.Trouble = orEmpty(s.Trouble)
	s.Revisions = orEmpty(s.Revisions)
	s.Listeners = orEmpty(s.Listeners)
	s.Routes = orEmpty(s.Routes)
	s.Clusters = orEmpty(s.Clusters)
	s.Rates.Routes, s.Rates.Clusters = orEmpty(s.Rates.Routes), orEmpty(s.Rates.Clusters)
	s.Rates.Listeners = orEmpty(s.Rates.Listeners)
	s.Discovery = orEmpty(s.Discovery)
	s.Certificates = orEmpty(s.Certificates)
	s.PasswordFiles = orEmpty(s.PasswordFiles)
	s.Settings = orEmpty(s.Settings)
	return s
}

func orEmpty[T any](l []T) []T {
	if l == nil {
		return []T{}
	}
	return l
}
