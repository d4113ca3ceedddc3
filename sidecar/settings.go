package sidecar

import (
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Setting is a variable as it is in effect, and where that comes from.
type Setting struct {
	Name  string `json:"name"`
	Value string `json:"value"` // of a secret the words that it is set
	From  string `json:"from"`  // flag, environment, verb or default
}

// Where a setting comes from.
const (
	fromFlag        = "flag"
	fromEnvironment = "environment"
	FromVerb        = "verb" // such as dev, which has defaults of its own
	FromDefault     = "default"
)

// Masked is shown in place of a value that is, or may be, a secret.
const Masked = "(set, not shown)"

// Settings are all variables of a bootstrap that was made of s, in the table's order. After them come those of Consul
// and OpenTelemetry that are set.
func (s Sources) Settings(b *Bootstrap) []Setting {
	l := loader{from: s, env: environment(s.Environ), vars: Variables()}
	resolved := map[string]string{
		"GATEWAY_INSTANCE": b.Instance, "GATEWAY_SOURCE": string(b.Source), "GATEWAY_CONSUL_KEY": b.ConsulKey,
		"GATEWAY_MAX_CONNECTIONS": strconv.Itoa(b.connections()),
	}
	var all []Setting
	for i := range l.vars {
		v := &l.vars[i]
		text, given := l.text(v)
		if word, ok := resolved[v.Name]; ok {
			text = word
		}
		all = append(all, Setting{Name: v.Name, Value: text, From: l.setBy(v.Name, given)})
	}
	return append(all, s.Foreign()...)
}

// setBy is where the text of a variable comes from.
func (l *loader) setBy(name string, given bool) string {
	switch _, flag := l.from.Flags[name]; {
	case flag:
		return fromFlag
	case given:
		return fromEnvironment
	}
	if _, own := l.from.Defaults[name]; own {
		return FromVerb
	}
	return FromDefault
}

// Foreign are the variables of Consul and OpenTelemetry that are set, by name. What is not known to be harmless is
// masked.
func (s Sources) Foreign() []Setting {
	env := environment(s.Environ)
	var all []Setting
	for _, name := range slices.Sorted(maps.Keys(env)) {
		if strings.HasPrefix(name, "CONSUL_") || strings.HasPrefix(name, "OTEL_") {
			all = append(all, Setting{Name: name, Value: shown(name, env[name]), From: fromEnvironment})
		}
	}
	return all
}

// harmless are the variables of others whose values may be shown; one that ends in _ is a beginning. Headers, tokens
// and what comes later are not among them.
var harmless = []string{
	"CONSUL_HTTP_ADDR", "CONSUL_HTTP_TOKEN_FILE", "CONSUL_HTTP_SSL", "CONSUL_HTTP_SSL_VERIFY", "CONSUL_CACERT",
	"CONSUL_CAPATH", "CONSUL_CLIENT_CERT", "CONSUL_CLIENT_KEY", "CONSUL_TLS_SERVER_NAME", "CONSUL_NAMESPACE",
	"CONSUL_PARTITION",
	"OTEL_SDK_DISABLED", "OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES", "OTEL_METRICS_EXPORTER",
	"OTEL_TRACES_EXPORTER", "OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER_ARG", "OTEL_PROPAGATORS", "OTEL_METRIC_EXPORT_",
	"OTEL_BSP_",
}

// harmlessOTLP are the ends of the names of an OTLP exporter, for one signal or for all.
var harmlessOTLP = []string{
	"ENDPOINT", "PROTOCOL", "TIMEOUT", "COMPRESSION", "INSECURE", "CERTIFICATE", "CLIENT_CERTIFICATE", "CLIENT_KEY",
	"TEMPORALITY_PREFERENCE",
}

// shown is a value, unless it may be a secret. Of an address the user and the password are.
func shown(name, value string) string {
	known := slices.ContainsFunc(harmless, func(one string) bool {
		return name == one || strings.HasSuffix(one, "_") && strings.HasPrefix(name, one)
	})
	if rest, ok := strings.CutPrefix(name, "OTEL_EXPORTER_OTLP_"); ok {
		rest = strings.TrimPrefix(strings.TrimPrefix(rest, "METRICS_"), "TRACES_")
		known = slices.Contains(harmlessOTLP, rest)
	}
	switch u, err := url.Parse(value); {
	case value == "":
		return ""
	case !known:
		return Masked
	case err == nil && u.User == nil && !strings.Contains(value, "@"):
		return value
	case err == nil && u.User != nil:
		u.User = url.User(Masked)
		return strings.Replace(u.String(), url.User(Masked).String(), Masked, 1)
	case strings.Contains(value, "@"): // perhaps an address that cannot be read
		return Masked
	}
	return value
}
