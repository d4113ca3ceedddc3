package checkup

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fabian4/gateway-homebrew-go/discovery/consul"
	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/sidecar"
)

// State is what a look has found.
type State uint8

const (
	Good    State = iota
	Notice        // it works, but somebody should know
	Wrong         // it does not work
	Skipped       // it cannot be told, for what is wrong elsewhere
)

var stateNames = [...]string{Good: "good", Notice: "notice", Wrong: "wrong", Skipped: "skipped"}

func (s State) String() string { return stateNames[s] }

// MarshalText makes the name of s what JSON has.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Finding is what one look has found, and what to do about it. The names in its JSON are promised to scripts.
type Finding struct {
	State State  `json:"state"`
	Text  string `json:"text"`         // a sentence
	Do    string `json:"do,omitempty"` // another one; empty where there is nothing to do
}

// Section is one part of what is around a gateway.
type Section struct {
	Name     string    `json:"name"`
	Findings []Finding `json:"findings"`
}

// Options are what a gateway is checked by.
type Options struct {
	Bootstrap sidecar.Bootstrap
	Settings  []sidecar.Setting // of this environment and these flags
	Consul    *consul.Client    // nil: ConsulErr says why there is none
	ConsulErr error
	// Status is that of the gateway that runs; nil: StatusErr says why there is none.
	Status    *sidecar.Status
	StatusErr error
	Admin     string // the address that was asked for it; empty: there is no admin port
}

// checkup is one run, with what a part has found out for those after it.
type checkup struct {
	Options
	now     time.Time
	doc     *config.Document // what serves, or would; never nil once document has looked
	contact consul.Contact
	reached bool // Consul responds
	// wrongDocument is what is wrong with the one of the file or key.
	wrongDocument []Finding
	sections      []Section
}

// Run looks at everything, in the order in which one thing needs another. When ctx ends it waits for nobody any more.
func Run(ctx context.Context, o Options) []Section {
	c := &checkup{Options: o, now: time.Now()}
	if c.doc = c.own(); o.Bootstrap.Source == sidecar.SourceFile {
		c.doc = c.read(ctx) // it tells whether Consul is needed
	}
	for _, part := range []struct {
		name  string
		check func(context.Context)
	}{
		{"gateway", c.gateway},
		{"consul", c.consul},
		{"document", c.document},
		{"token", c.token},
		{"services", c.services},
		{"endpoints", c.endpoints},
		{"certificates", c.certificates},
		{"files", c.files},
		{"descriptors", c.descriptors},
		{"ports", c.ports},
		{"clock", c.clock},
		{"collector", c.collector},
	} {
		c.sections = append(c.sections, Section{Name: part.name})
		part.check(ctx)
	}
	return c.sections
}

// found adds a finding to the section that is being looked at.
func (c *checkup) found(f Finding) {
	last := &c.sections[len(c.sections)-1]
	last.Findings = append(last.Findings, f)
}

func (c *checkup) good(format string, values ...any) {
	c.found(Finding{State: Good, Text: fmt.Sprintf(format, values...)})
}

func (c *checkup) skipped(format string, values ...any) {
	c.found(Finding{State: Skipped, Text: fmt.Sprintf(format, values...)})
}

// wrong adds what is wrong, and what to do.
func (c *checkup) wrong(do, format string, values ...any) {
	c.found(Finding{State: Wrong, Text: fmt.Sprintf(format, values...), Do: do})
}

func (c *checkup) notice(do, format string, values ...any) {
	c.found(Finding{State: Notice, Text: fmt.Sprintf(format, values...), Do: do})
}

// separate gives the single errors of one that joins several.
func separate(err error) []error {
	if joined, ok := errors.AsType[interface {
		error
		Unwrap() []error
	}](err); ok {
		var all []error
		for _, one := range joined.Unwrap() {
			all = append(all, separate(one)...)
		}
		return all
	}
	return []error{err}
}
