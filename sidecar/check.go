package sidecar

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
)

// Bounds of a message's head: below, ordinary browsers are refused; above, a few
// clients could hold all memory.
const (
	leastHeaderBytes = Size(1 << 10)
	mostHeaderBytes  = Size(16 << 20)
)

// wrong notes a problem with a variable.
func (l *loader) wrong(name, format string, args ...any) {
	l.bad[name] = true
	row := slices.IndexFunc(l.vars, func(v Variable) bool { return v.Name == name })
	l.problems = append(l.problems, Problem{l.knob(name), fmt.Sprintf(format, args...), row})
}

// knob is what the operator turned, or would have to, to set a variable.
func (l *loader) knob(name string) string {
	if _, ok := l.from.Flags[name]; ok {
		for i := range l.vars {
			if l.vars[i].Name == name {
				return "flag --" + l.vars[i].Flag
			}
		}
	}
	return "env " + name
}

// check judges the values, each alone and then together.
func (l *loader) check() {
	l.checkNames()
	l.checkAddresses()
	l.checkDurations()
	l.checkNumbers()
	l.checkSource()
	l.checkTLS()
	l.checkClusters()
	if len(l.problems) == 0 {
		l.checkBase()
	}
}

func (l *loader) checkNames() {
	if !word(l.b.Service) && !l.bad["GATEWAY_SERVICE"] {
		l.wrong("GATEWAY_SERVICE", "%s: not a name (letters, digits, - _ ., at most 128)", quote(l.b.Service))
	}
	strange := func(r rune) bool { return r <= ' ' || r == '/' || r == 0x7f }
	if strings.ContainsFunc(l.b.Instance, strange) || len(l.b.Instance) > 255 {
		l.wrong("GATEWAY_INSTANCE", "%s: not an id (no space and no /, 255 bytes at most)", quote(l.b.Instance))
	}
	if l.b.ConsulKey == "" || strings.HasPrefix(l.b.ConsulKey, "/") {
		l.wrong("GATEWAY_CONSUL_KEY", "%s: not a key (a key of Consul is not empty and does not begin with /)",
			quote(l.b.ConsulKey))
	}
	if l.b.AccessLog == "" {
		l.wrong("GATEWAY_ACCESS_LOG", "empty (off, stdout, or a file)")
	}
}

func (l *loader) checkAddresses() {
	address := func(name, text string, check func(string) (string, error)) {
		if text == "" {
			return
		}
		if _, err := check(text); err != nil {
			l.wrong(name, "%s: %v", quote(text), err)
		}
	}
	address("GATEWAY_LISTEN", l.b.Listen, config.ListenAddress)
	address("GATEWAY_APP", l.b.App, config.EndpointAddress)
	address("GATEWAY_ADMIN_LISTEN", l.b.AdminListen, config.ListenAddress)

	l.checkApart("GATEWAY_ADMIN_LISTEN", l.b.AdminListen, "GATEWAY_LISTEN", l.b.Listen)
	for i := range l.b.TCP {
		l.checkApart("GATEWAY_TCP", l.b.TCP[i].Address, "GATEWAY_LISTEN", l.b.Listen)
		l.checkApart("GATEWAY_TCP", l.b.TCP[i].Address, "GATEWAY_ADMIN_LISTEN", l.b.AdminListen)
	}
}

// checkApart refuses two listeners on one address.
func (l *loader) checkApart(name, address, other, taken string) {
	if fixedPort(address) && config.SameAddress(address, taken) {
		l.wrong(name, "%s: %s listens there too", quote(address), l.knob(other))
	}
}

// fixedPort tells whether an address is one that two cannot have.
func fixedPort(address string) bool {
	return address != "" && !strings.HasSuffix(address, ":0")
}

func (l *loader) checkDurations() {
	least := func(name string, d, bound time.Duration) {
		if d < bound && !l.bad[name] {
			l.wrong(name, "%q: shorter than %s", d, bound)
		}
	}
	// Without these a silent peer would hold a connection for ever.
	least("GATEWAY_READ_TIMEOUT", l.b.ReadTimeout, time.Millisecond)
	least("GATEWAY_WRITE_TIMEOUT", l.b.WriteTimeout, time.Millisecond)
	least("GATEWAY_CONNECT_TIMEOUT", l.b.ConnectTimeout, time.Millisecond)
	least("GATEWAY_IDLE_TIMEOUT", l.b.IdleTimeout, time.Millisecond)
	least("GATEWAY_UPSTREAM_IDLE_TIMEOUT", l.b.UpstreamIdleTimeout, time.Millisecond)
	// These may be 0: none, or at once.
	least("GATEWAY_UPSTREAM_TIMEOUT", l.b.UpstreamTimeout, 0)
	least("GATEWAY_TCP_IDLE_TIMEOUT", l.b.TCPIdleTimeout, 0)
	least("GATEWAY_TCP_MAX_DURATION", l.b.TCPMaxDuration, 0)
	least("GATEWAY_DRAIN_DELAY", l.b.DrainDelay, 0)
	least("GATEWAY_DRAIN_TIMEOUT", l.b.DrainTimeout, 0)
	least("GATEWAY_APP_QUEUE_TIMEOUT", l.b.AppQueueTimeout, 0)
	least("GATEWAY_PROBATION", l.b.Probation, 0)
	least("GATEWAY_SPREAD", l.b.Spread, 0)
	l.checkDrain()
}

// checkDrain sees to it that the delay leaves time for what is in flight. A timeout of 0 says that nothing is to be
// waited for.
func (l *loader) checkDrain() {
	delay, timeout := l.b.DrainDelay, l.b.DrainTimeout
	if timeout > 0 && delay >= timeout && !l.bad["GATEWAY_DRAIN_DELAY"] && !l.bad["GATEWAY_DRAIN_TIMEOUT"] {
		l.wrong("GATEWAY_DRAIN_TIMEOUT", "%q: not longer than %s (%s), which is a part of it; what is in flight "+
			"would be cut at once", timeout, l.knob("GATEWAY_DRAIN_DELAY"), delay)
	}
}

func (l *loader) checkNumbers() {
	natural := func(name string, n int) {
		if n < 0 {
			l.wrong(name, "%q: less than 0", fmt.Sprint(n))
		}
	}
	natural("GATEWAY_APP_CONCURRENCY", l.b.AppConcurrency)
	natural("GATEWAY_UPSTREAM_MAX_IDLE", l.b.UpstreamMaxIdle)
	natural("GATEWAY_MAX_CONNECTIONS", l.b.MaxConnections)
	if limit, ok := fdLimit(); ok {
		if why := tooManyConnections(l.b.MaxConnections, limit); why != "" {
			seen := ""
			if n := l.b.MaxConnections; n > 0 {
				seen = fmt.Sprintf("\"%d\": ", n)
			}
			l.wrong("GATEWAY_MAX_CONNECTIONS", "%s%s", seen, why)
		}
	}
	if share := l.b.AccessLogSampling; !(share >= 0 && share <= 1) { // not-a-number is refused too
		l.wrong("GATEWAY_ACCESS_LOG_SAMPLING", "%q: not a share (0 to 1)", fmt.Sprint(share))
	}
	if n := l.b.MaxHeaderBytes; !l.bad["GATEWAY_MAX_HEADER_BYTES"] && (n < leastHeaderBytes || n > mostHeaderBytes) {
		l.wrong("GATEWAY_MAX_HEADER_BYTES", "%q: out of bounds (1KiB to 16MiB)", fmt.Sprint(int64(n)))
	}
	for name, set := range map[string]bool{
		"GATEWAY_REGISTER_TAGS": len(l.b.RegisterTags) > 0, "GATEWAY_REGISTER_META": len(l.b.RegisterMeta) > 0,
	} {
		if set && !l.b.Register && !l.bad["GATEWAY_REGISTER"] {
			l.wrong(name, "set without GATEWAY_REGISTER=true: nothing is registered")
		}
	}
	if l.b.AppConcurrency > 0 && l.b.App == "" {
		l.wrong("GATEWAY_APP_CONCURRENCY", "\"%d\": there is no GATEWAY_APP that it could limit", l.b.AppConcurrency)
	}
}

func (l *loader) checkSource() {
	if l.b.Source == SourceFile && l.b.Config == "" {
		l.wrong("GATEWAY_SOURCE", "\"file\": GATEWAY_CONFIG does not say which")
	}
}

func (l *loader) checkTLS() {
	if len(l.b.TLSCerts) > 0 && l.b.Listen == "" {
		l.wrong("GATEWAY_TLS_CERTS", "set, but GATEWAY_LISTEN is empty: no listener would show them")
	}
	if l.b.TLSClientCA != "" && len(l.b.TLSCerts) == 0 && !l.bad["GATEWAY_TLS_CERTS"] {
		l.wrong("GATEWAY_TLS_CLIENT_CA", "%s: set without GATEWAY_TLS_CERTS (only TLS has client certificates)",
			quote(l.b.TLSClientCA))
	}
}

// checkClusters finds clusters that are there twice, and, if no document can
// bring them, those that are not there at all.
func (l *loader) checkClusters() {
	if l.b.App != "" && l.b.Upstreams.has(appCluster) {
		l.wrong("GATEWAY_UPSTREAMS", "%q: %s makes a cluster of this name", appCluster, l.knob("GATEWAY_APP"))
	}
	if l.b.Source != SourceEnv || l.bad["GATEWAY_UPSTREAMS"] || l.bad["GATEWAY_APP"] {
		return
	}
	undefined := func(name, cluster string) {
		if !l.b.defines(cluster) {
			l.wrong(name, "cluster %q is neither in GATEWAY_UPSTREAMS nor made by GATEWAY_APP", cluster)
		}
	}
	for i := range l.b.Routes {
		undefined("GATEWAY_ROUTES", l.b.Routes[i].Clusters[0].Name)
	}
	for i := range l.b.TCP {
		undefined("GATEWAY_TCP", l.b.TCP[i].Cluster)
	}
}

// checkBase has the document's own rules judge what all of it makes together.
func (l *loader) checkBase() {
	base := l.b.Base()
	if l.b.Source != SourceEnv {
		base.Clusters = append(base.Clusters, l.standIns()...)
	}
	err := base.Check()
	problems, ok := errors.AsType[config.Problems](err)
	if err != nil && !ok {
		l.wrong(prefix+"_*", "%v", err)
	}
	for _, p := range problems {
		l.wrong(l.origin(p.Path), "%s: %s", p.Path, p.Text)
	}
}

// standIns are the clusters that only a document can bring.
func (l *loader) standIns() []config.Cluster {
	var named []string
	for i := range l.b.Routes {
		named = append(named, l.b.Routes[i].Clusters[0].Name)
	}
	for i := range l.b.TCP {
		named = append(named, l.b.TCP[i].Cluster)
	}
	slices.Sort(named)
	var all []config.Cluster
	for _, name := range slices.Compact(named) {
		if !l.b.defines(name) {
			all = append(all, config.Cluster{Name: name, Consul: config.Consul{Service: name}})
		}
	}
	return all
}

// origin gives the variable that made a part of the base.
func (l *loader) origin(path string) string {
	switch {
	case strings.Contains(path, "routes"):
		return "GATEWAY_ROUTES"
	case strings.Contains(path, "clusters") && len(l.b.Upstreams) == 0:
		return "GATEWAY_APP"
	case strings.Contains(path, "clusters"):
		return "GATEWAY_UPSTREAMS"
	case strings.Contains(path, "listeners") && len(l.b.TCP) == 0:
		return "GATEWAY_LISTEN"
	case strings.Contains(path, "listeners"):
		return "GATEWAY_TCP"
	}
	return prefix + "_*"
}
