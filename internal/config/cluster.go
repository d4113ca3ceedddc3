package config

import (
	"slices"
	"time"

	"go.yaml.in/yaml/v4"
)

// What a cluster's endpoints speak; ProtocolTCP is the fourth.
const (
	ProtocolHTTP1 = "http1"
	ProtocolHTTP2 = "http2" // h2c by prior knowledge, h2 by ALPN under TLS
	ProtocolAuto  = "auto"  // by ALPN
)

// How a cluster chooses an endpoint.
const (
	BalanceWRR          = "wrr" // smooth weighted round robin
	BalanceLeastRequest = "least_request"
	BalanceRandom       = "random"
	BalanceHash         = "hash" // by what Cluster.Hash names
)

// Balances are the ways to choose an endpoint, the default first. Not to be edited.
var Balances = []string{BalanceWRR, BalanceLeastRequest, BalanceRandom, BalanceHash}

// What a cluster does when no endpoint is healthy.
const (
	PanicWhenNoneHealthy = "when_none_healthy" // use them all
	PanicNever           = "never"             // use none
)

// PROXY protocol versions a cluster's connections may begin with.
const (
	ProxyProtocolV1 = "v1"
	ProxyProtocolV2 = "v2"
)

const standardSlowStart = 10 * time.Second

// Cluster is a set of endpoints that are as good as each other.
type Cluster struct {
	Name          string
	Endpoints     []Endpoint
	Consul        Consul // also, or only, from the catalog
	Protocol      string
	Balance       string
	Hash          Hash // with balance hash
	Panic         string
	TLS           ClusterTLS
	PassiveHealth PassiveHealth
	HealthCheck   HealthCheck
	Limits        ClusterLimits
	Keepalive     Keepalive
	ProxyProtocol string // "", "v1" or "v2": written to each new connection

	// SlowStart is how long an endpoint that returns takes to its full share; 0 = it has it at once.
	SlowStart time.Duration

	Failover []string // clusters that stand in while it has no usable endpoint, in order of preference

	// Backed tells that others come behind it where it stands in for a cluster itself. No key says so: the failover of
	// the others does.
	Backed bool

	// AllowEmpty lets a revision come into service in which the cluster has no endpoint, where routes have some now.
	AllowEmpty bool
}

// OwnSlowStart is how long an endpoint that returns takes to its full share, where the document says another time than
// everybody has. It is empty where it does not.
func (c *Cluster) OwnSlowStart() string {
	if c.SlowStart == standardSlowStart {
		return ""
	}
	return DurationText(c.SlowStart)
}

var clusterBlock = block[Cluster]{
	fields: []field[Cluster]{
		at("name", func(c *Cluster) *string { return &c.Name }, name),
		at("endpoints", func(c *Cluster) *[]Endpoint { return &c.Endpoints },
			listOf(endpoint).then(checkEndpoints)).optional(),
		at("consul", func(c *Cluster) *Consul { return &c.Consul }, consulBlock.kind()).optional(),
		at("protocol", func(c *Cluster) *string { return &c.Protocol },
			word(ProtocolHTTP1, ProtocolHTTP2, ProtocolAuto, ProtocolTCP)),
		at("balance", func(c *Cluster) *string { return &c.Balance }, word(Balances...)),
		at("hash", func(c *Cluster) *Hash { return &c.Hash }, hashBlock.kind()).optional(),
		at("panic", func(c *Cluster) *string { return &c.Panic }, word(PanicWhenNoneHealthy, PanicNever)),
		at("tls", func(c *Cluster) *ClusterTLS { return &c.TLS },
			clusterTLSBlock.kind()).when(func(c *Cluster) bool { return c.TLS.Enabled() }),
		at("passive_health", func(c *Cluster) *PassiveHealth { return &c.PassiveHealth }, passiveHealthBlock.kind()),
		at("health_check", func(c *Cluster) *HealthCheck { return &c.HealthCheck }, healthCheckBlock.kind()).optional(),
		at("limits", func(c *Cluster) *ClusterLimits { return &c.Limits }, clusterLimitsBlock.kind()),
		at("keepalive", func(c *Cluster) *Keepalive { return &c.Keepalive }, keepaliveBlock.kind()),
		at("proxy_protocol", func(c *Cluster) *string { return &c.ProxyProtocol },
			word(ProxyProtocolV1, ProxyProtocolV2)).optional(),
		at("slow_start", func(c *Cluster) *time.Duration { return &c.SlowStart }, duration(true)).
			when(func(c *Cluster) bool { return c.SlowStart != standardSlowStart }),
		at("failover", func(c *Cluster) *[]string { return &c.Failover }, failoverNames).optional(),
		at("allow_empty", func(c *Cluster) *bool { return &c.AllowEmpty }, flag).optional(),
	},
	begin: func(d *decoder, c *Cluster) {
		c.Protocol = ProtocolHTTP1
		c.Balance = BalanceWRR
		c.Panic = PanicWhenNoneHealthy
		c.TLS.Mode = TLSNone
		c.PassiveHealth = standardPassiveHealth()
		c.SlowStart = standardSlowStart
		c.Limits = standardClusterLimits()
		c.Keepalive = d.keepalive
	},
	end: checkCluster,
}

func checkCluster(d *decoder, n *yaml.Node, c *Cluster) {
	endpoints := valueOf(n, "endpoints")
	if !has(n, "consul") && (endpoints == nil || endpoints.Kind == yaml.SequenceNode && len(endpoints.Content) == 0) {
		d.problem(n, "want endpoints, consul, or both (seen none)")
	}
	if c.Protocol == ProtocolAuto && !c.TLS.Enabled() {
		d.problemIn(n, "protocol", "protocol auto asks by ALPN, so it needs tls (seen no tls)")
	}
	if balance := valueOf(n, "balance"); balance == nil || balance.Value == c.Balance {
		checkHash(d, n, c)
	}
	d.ownEjected[c.Name] = mentions(valueOf(n, "passive_health"), "max_ejected_percent")
	if len(c.Failover) > 0 {
		d.ejectAll(c)
	}
	if passive := valueOf(n, "passive_health"); c.Protocol == ProtocolTCP && mentions(passive, "statuses") {
		d.enter("passive_health")
		d.problemIn(passive, "statuses", "what a cluster of protocol tcp carries has no statuses")
		d.leave()
	}
	if c.HealthCheck.Type == HealthCheckGRPC && c.Protocol == ProtocolHTTP1 && c.TLS.Enabled() {
		d.problemIn(n, "health_check",
			"a check of type grpc over tls needs protocol http2 or auto (the protocol is %s)", c.Protocol)
	}
}

// maxHashed bounds the clusters of a document with balance hash. The table of each takes 256 KiB, and some milliseconds
// to make.
const maxHashed = 100

// checkHash holds balance hash and the key hash together, and bounds how many there are.
func checkHash(d *decoder, n *yaml.Node, c *Cluster) {
	if c.Balance == BalanceHash {
		d.hashed++
	}
	hash := valueOf(n, "hash")
	switch {
	case c.Balance == BalanceHash && d.hashed > maxHashed:
		d.problemIn(n, "balance", "want at most %d clusters with balance hash in a document: their tables take memory",
			maxHashed)
	case c.Balance == BalanceHash && hash == nil:
		d.problemIn(n, "balance", "balance hash needs a key hash that says by what, such as hash: {header: x-user}")
	case c.Balance != BalanceHash && hash != nil:
		d.problemIn(n, "hash", "only balance hash has a hash (the balance is %s)", c.Balance)
	case hash != nil && c.Protocol == ProtocolTCP && !c.Hash.SourceIP:
		d.problemIn(n, "hash", "a cluster of protocol tcp knows of its clients their addresses only: write "+
			"{source_ip: true}")
	}
}

// addCluster takes a cluster into the document. What the bootstrap adds gives
// way to one of the same name.
func (d *decoder) addCluster(n *yaml.Node, c *Cluster, _ bool) bool {
	if d.nameTaken("clusters", c.Name) {
		return false
	}
	d.claim(n, "clusters", c.Name)
	d.clusters[c.Name] = len(d.doc.Clusters)
	if f := valueOf(n, "failover"); f != nil {
		path := append(slices.Clone(d.path), step{key: "failover"})
		d.failovers = append(d.failovers, declaredFailover{d.here(f), c.Name, path, f})
	}
	return true
}
