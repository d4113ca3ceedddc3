package sidecar

import "github.com/fabian4/gateway-homebrew-go/internal/config"

// The names of what the bootstrap makes.
const (
	defaultListener = "default"
	appCluster      = "app"
)

// Base is what the bootstrap gives to each revision. AppConcurrency is not in it:
// the queue in front of the app outlives revisions.
func (b *Bootstrap) Base() config.Base {
	base := config.Standard()
	// One by one: what no variable sets keeps its default.
	base.Timeouts.Read = b.ReadTimeout
	base.Timeouts.Write = b.WriteTimeout
	base.Timeouts.Upstream = b.UpstreamTimeout
	base.Timeouts.Connect = b.ConnectTimeout
	base.Timeouts.Idle = b.IdleTimeout
	base.Timeouts.TCPIdle = b.TCPIdleTimeout
	base.Timeouts.TCPMaxDuration = b.TCPMaxDuration
	base.Keepalive.MaxIdle = b.UpstreamMaxIdle
	base.Keepalive.IdleTimeout = b.UpstreamIdleTimeout
	base.AccessLog.Enabled = b.AccessLog != "off"
	base.AccessLog.Sampling = b.AccessLogSampling
	if len(b.AccessLogFields) > 0 {
		base.AccessLog.Fields = b.AccessLogFields
	}
	base.Listeners = b.listeners()
	base.Routes = b.routes()
	base.Clusters = b.clusters()
	return base
}

func (b *Bootstrap) listeners() []config.Listener {
	var all []config.Listener
	if b.Listen != "" {
		l := config.Listener{Name: defaultListener, Address: b.Listen, Protocol: config.ProtocolHTTP}
		l.TLS.Certificates = b.TLSCerts
		l.TLS.ClientCAFile = b.TLSClientCA
		all = append(all, l)
	}
	return append(all, b.TCP...)
}

// routes are those of GATEWAY_ROUTES and the app's, unless one of them takes / for
// every host already.
func (b *Bootstrap) routes() []config.Route {
	all := append([]config.Route(nil), b.Routes...)
	everything := config.Match{PathPrefix: "/"}
	if b.App != "" && !b.Routes.at(everything) {
		all = append(all, plainRoute(everything, appCluster))
	}
	return all
}

// defines tells whether the bootstrap makes a cluster of this name.
func (b *Bootstrap) defines(cluster string) bool {
	return b.App != "" && cluster == appCluster || b.Upstreams.has(cluster)
}

func (b *Bootstrap) clusters() []config.Cluster {
	all := append([]config.Cluster(nil), b.Upstreams...)
	if b.App != "" {
		all = append(all, config.Cluster{Name: appCluster, Endpoints: []config.Endpoint{{Address: b.App, Weight: 1}}})
	}
	return all
}
