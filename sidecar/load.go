package sidecar

import (
	"errors"
	"os"
	"slices"
	"strings"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
)

// Sources is where the bootstrap comes from, the strongest first. Nothing else is
// read: not the process's environment, and no variable without our prefix but
// the one that Source=auto goes by.
type Sources struct {
	Flags    map[string]string // variable -> text, of the flags that were given
	Environ  []string          // name=value, as os.Environ has it
	Defaults map[string]string // variable -> text, instead of the table's

	// Hostname is the default instance; nil means os.Hostname.
	Hostname func() (string, error)
}

// Load makes the bootstrap. Its error is Problems: all of them, in the table's order.
func Load(s Sources) (Bootstrap, error) {
	l := loader{from: s, env: environment(s.Environ), vars: Variables(), bad: map[string]bool{}}
	l.unknown()
	l.decode()
	l.resolve()
	l.check()
	if len(l.problems) > 0 {
		slices.SortStableFunc(l.problems, func(a, b Problem) int { return a.row - b.row })
		return Bootstrap{}, l.problems
	}
	return l.b, nil
}

// Value gives the text of one variable, undecoded: for who asks a gateway that
// runs elsewhere and needs no bootstrap.
func (s Sources) Value(name string) string {
	text, _ := s.lookup(name)
	return text
}

// Given tells whether a flag or the environment sets a variable.
func (s Sources) Given(name string) bool {
	_, given := s.lookup(name)
	return given
}

func (s Sources) lookup(name string) (text string, given bool) {
	l := loader{from: s, env: environment(s.Environ), vars: Variables()}
	for i := range l.vars {
		if l.vars[i].Name == name {
			return l.text(&l.vars[i])
		}
	}
	panic("BUG: no variable " + name)
}

// environment makes a map of name=value; as in the process's own, the first of a
// name counts.
func environment(environ []string) map[string]string {
	env := make(map[string]string, len(environ))
	for _, e := range environ {
		name, value, ok := strings.Cut(e, "=")
		if _, twice := env[name]; ok && !twice {
			env[name] = value
		}
	}
	return env
}

// loader is one Load at work.
type loader struct {
	from Sources
	env  map[string]string
	vars []Variable

	b        Bootstrap
	problems Problems
	bad      map[string]bool // variables with a problem: what follows from them is no news
}

// unknown refuses what is called like ours but is not.
func (l *loader) unknown() {
	names := make([]string, len(l.vars)) // without the prefix, which would make all of them near
	for i := range l.vars {
		names[i] = strings.TrimPrefix(l.vars[i].Name, prefix+"_")
	}
	var unknown []string
	for name, value := range l.env {
		short, ours := strings.CutPrefix(name, prefix+"_")
		if ours && !slices.Contains(names, short) && !serviceLink(name, value) {
			unknown = append(unknown, name)
		}
	}
	slices.Sort(unknown)
	for _, name := range unknown {
		text := "unknown variable"
		if near := config.Nearest(strings.TrimPrefix(name, prefix+"_"), names); near != "" {
			text += " (perhaps " + prefix + "_" + near + ")"
		}
		l.problems = append(l.problems, Problem{"env " + name, text, -1})
	}
}

// text gives what a variable is set to, and whether by flag or environment.
func (l *loader) text(v *Variable) (text string, given bool) {
	if text, ok := l.from.Flags[v.Name]; ok {
		return text, true
	}
	if text, ok := l.env[v.Name]; ok {
		return text, true
	}
	if text, ok := l.from.Defaults[v.Name]; ok {
		return text, false
	}
	return v.Default, false
}

func (l *loader) decode() {
	for i := range l.vars {
		v := &l.vars[i]
		text, given := l.text(v)
		if text == "" && !given {
			continue
		}
		if len(v.OneOf) > 0 && !slices.Contains(v.OneOf, text) {
			l.wrong(v.Name, "%s: none of %s%s", quote(text), strings.Join(v.OneOf, ", "), perhaps(text, v.OneOf))
			continue
		}
		err := v.decode(text, &l.b)
		if _, ok := errors.AsType[*entryError](err); ok {
			l.wrong(v.Name, "%v", err)
		} else if err != nil {
			l.wrong(v.Name, "%s: %v", quote(text), err)
		}
	}
}

// resolve puts facts where the table has words.
func (l *loader) resolve() {
	if l.b.Instance == "" {
		l.b.Instance = l.hostname()
	}
	l.b.ConsulKey = strings.ReplaceAll(l.b.ConsulKey, "<service>", l.b.Service)
	if l.b.Source == SourceAuto {
		l.b.Source = l.auto()
	}
}

func (l *loader) hostname() string {
	ask := l.from.Hostname
	if ask == nil {
		ask = os.Hostname
	}
	name, err := ask()
	if err != nil {
		l.wrong("GATEWAY_INSTANCE", "empty, and this host has no name to take instead: %v", err)
	}
	return name
}

// Source is where the document comes from.
type Source string

// The sources; a loaded Bootstrap has one of the last three.
const (
	SourceAuto   Source = "auto"
	SourceEnv    Source = "env"
	SourceFile   Source = "file"
	SourceConsul Source = "consul"
)

// Ack is whether what becomes of a document is told in Consul.
type Ack string

// What GATEWAY_ACK may be.
const (
	AckAuto Ack = "auto"
	AckOff  Ack = "off"
)

// auto chooses the source by what is set.
func (l *loader) auto() Source {
	consul, file := l.env["CONSUL_HTTP_ADDR"] != "", l.b.Config != ""
	switch {
	case consul && file:
		l.wrong("GATEWAY_SOURCE", "\"auto\": env CONSUL_HTTP_ADDR and %s are both set (say which: consul or file)",
			l.knob("GATEWAY_CONFIG"))
		return SourceAuto
	case consul:
		return SourceConsul
	case file:
		return SourceFile
	}
	return SourceEnv
}
