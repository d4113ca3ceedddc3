package sidecar

import (
	"slices"
	"testing"
	"time"

	"github.com/fabian4/gateway-homebrew-go/discovery"
	"github.com/fabian4/gateway-homebrew-go/internal/cluster"
	"github.com/fabian4/gateway-homebrew-go/internal/passwords"
	"github.com/fabian4/gateway-homebrew-go/mtls"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

func TestTrouble(t *testing.T) {
	now := time.Date(2026, 11, 29, 3, 0, 0, 0, time.UTC)
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	at := func(d time.Duration) *time.Time { then := ago(d); return &then }
	well := func(address string) cluster.EndpointStatus {
		return cluster.EndpointStatus{Address: address, State: "healthy", Weight: 1}
	}
	refusing := cluster.EndpointStatus{
		Address: "10.0.0.9:80", State: "ejected", Reason: "passive: connect failure",
		Unused: "passive: connect failure",
		Weight: 1, Passive: cluster.PassiveStatus{LastError: "connect: connection refused", Failures: 5,
			LastErrorAt: at(2 * time.Second)},
	}
	resting := cluster.EndpointStatus{
		Address: "10.0.0.7:80", State: "maintenance", Reason: "consul: maintenance", Unused: "consul: maintenance",
		Weight: 1,
	}
	failingOne := well("10.0.0.8:80")
	failingOne.Passive = cluster.PassiveStatus{LastError: "no response within 2s", Failures: 1,
		LastErrorAt: at(3 * time.Second)}
	took := func(address string, requests uint64, p50 float64) cluster.EndpointStatus {
		e := well(address)
		e.Recent = &telemetry.EndpointRate{Requests: requests, P50MS: p50}
		return e
	}
	held := func(address string, left time.Duration) cluster.EndpointStatus {
		e := well(address)
		e.Consul = &cluster.ConsulStatus{State: "deregistered", Held: at(-left)}
		return e
	}
	failed := func(address string, requests, errors uint64) cluster.EndpointStatus {
		e := well(address)
		e.Recent = &telemetry.EndpointRate{Requests: requests, Errors: errors}
		return e
	}
	refusingL4 := failed("10.0.0.6:5432", 3, 3)
	refusingL4.Passive = cluster.PassiveStatus{LastError: "connect: connection refused", Failures: 3,
		LastErrorAt: at(time.Second)}
	attempts := func(requests uint64, errors map[string]uint64) telemetry.Rates {
		return telemetry.Rates{Clusters: []telemetry.NamedRate{{
			Name: "orders", Rate: telemetry.Rate{Requests: requests, Errors: errors},
		}}}
	}
	orders := func(endpoints ...cluster.EndpointStatus) []cluster.Status {
		return []cluster.Status{{Name: "orders", Endpoints: endpoints}}
	}
	refused := "dial tcp 127.0.0.1:8500: connect: connection refused"
	for _, row := range []struct {
		name string
		s    Status
		want []string
	}{
		{"all is well", Status{
			Clusters: orders(well("a:1"), resting,
				cluster.EndpointStatus{Address: "b:1", State: "healthy", Unused: "weight 0"}),
			Rates:        attempts(1000, map[string]uint64{"5xx": 2, "4xx": 500}),
			Discovery:    []discovery.Status{{Name: "kv", LastOK: now}},
			Certificates: []mtls.Status{{NotAfter: now.AddDate(1, 0, 0)}},
			Limits: LimitStatus{Connections: ConnectionLimit{Used: 32, Max: 32},
				Descriptors: DescriptorLimit{Used: 10, Max: 1000}},
		}, nil},
		{"the only instance refuses", Status{Clusters: orders(refusing)}, []string{
			"cluster orders: no endpoint can be used: 10.0.0.9:80 ejected (passive: connect failure), connect: " +
				"connection refused, 5 in a row, 2 s ago"}},
		{"one of three refuses", Status{Clusters: orders(well("a:1"), refusing, well("b:1"))}, []string{
			"cluster orders: 1 of 3 endpoints is not healthy: 10.0.0.9:80 ejected (passive: connect failure), " +
				"connect: " +
				"connection refused, 5 in a row, 2 s ago"}},
		{"all refuse, and the next of a failover list serves", Status{Clusters: []cluster.Status{{Name: "orders",
			Panic: true, SkippedBy: []string{"web"}, Endpoints: []cluster.EndpointStatus{{Address: "a:1",
				State: "ejected", Reason: "passive: reset", Weight: 1}}}}},
			[]string{"cluster orders: no endpoint is healthy, so it does not stand in for web (routes of its own use " +
				"all endpoints): a:1 ejected (passive: reset)"}},
		{"all refuse, and are used", Status{Clusters: []cluster.Status{{Name: "orders", Panic: true,
			Endpoints: []cluster.EndpointStatus{{Address: "a:1", State: "ejected", Reason: "passive: reset",
				Weight: 1}}}}},
			[]string{"cluster orders: no endpoint is healthy, so all are used: a:1 ejected (passive: reset)"}},
		{"another cluster stands in", Status{Clusters: []cluster.Status{{Name: "orders",
			Failover: &cluster.FailoverStatus{Active: "dc2"},
			Endpoints: []cluster.EndpointStatus{{Address: "a:1", State: "unhealthy", Reason: "consul: critical",
				Weight: 1}}}}},
			[]string{"cluster orders: no endpoint can be used, so dc2 stands in: a:1 unhealthy (consul: critical)"}},
		{"in maintenance, all of them", Status{Clusters: orders(resting)}, []string{
			"cluster orders: no endpoint can be used: 10.0.0.7:80 maintenance (consul: maintenance)"}},
		{"a service with a typo", Status{Clusters: []cluster.Status{{Name: "orders",
			Follows: "consul service ordres: not in the catalog"}}},
			[]string{"cluster orders: no endpoint can be used: consul service ordres: not in the catalog"}},
		{"not known yet, which is why it is not ready", Status{
			Reasons:  []string{"no endpoints received yet: service orders tag v1"},
			Clusters: []cluster.Status{{Name: "orders", Follows: "consul service orders, tag v1: no response yet"}}},
			nil},
		{"all answers are 500", Status{Clusters: orders(well("a:1")),
			Rates: attempts(120, map[string]uint64{"5xx": 120})},
			[]string{"cluster orders: 120 of 120 attempts failed in the last minute: 5xx 120"}},
		{"one of three answers 500", Status{Clusters: orders(
			failed("a:1", 40, 0), failed("b:1", 40, 1), failed("c:1", 40, 39)),
			Rates: attempts(120, map[string]uint64{"5xx": 40})},
			[]string{"cluster orders: 40 of 120 attempts failed in the last minute: 5xx 40; c:1: 39 of 40"}},
		{"half of them answer 500", Status{Clusters: orders(
			failed("a:1", 20, 20), failed("b:1", 20, 20), failed("c:1", 40, 0)),
			Rates: attempts(80, map[string]uint64{"5xx": 40})},
			[]string{"cluster orders: 40 of 80 attempts failed in the last minute: 5xx 40"}},
		{"one of L4 refuses", Status{Clusters: orders(failed("a:1", 9, 0), failed("b:1", 3, 3))},
			[]string{"cluster orders: 3 of 12 connections failed in the last minute; b:1: 3 of 3"}},
		{"the only one of L4 refuses", Status{Clusters: orders(refusingL4)},
			[]string{"cluster orders: 3 of 3 connections failed in the last minute; " +
				"10.0.0.6:5432: connect: connection " +
				"refused, 3 in a row, 1 s ago"}},
		{"refused twice by L4, which may be chance", Status{Clusters: orders(failed("a:1", 2, 2))}, nil},
		{"its error is told once", Status{Clusters: orders(well("a:1"), refusing),
			Rates: attempts(40, map[string]uint64{"UF": 5})},
			[]string{"cluster orders: 1 of 2 endpoints is not healthy: 10.0.0.9:80 ejected (passive: connect " +
				"failure), connect: " +
				"connection refused, 5 in a row, 2 s ago",
				"cluster orders: 5 of 40 attempts failed in the last minute: UF 5"}},
		{"one in ten times out", Status{Clusters: orders(failingOne),
			Rates: attempts(100, map[string]uint64{"UT": 9, "5xx": 1})},
			[]string{"cluster orders: 10 of 100 attempts failed in the last minute: 5xx 1, UT 9; " +
				"10.0.0.8:80: no response " +
				"within 2s, 3 s ago"}},
		{"two of three failed, which may be chance", Status{Clusters: orders(well("a:1")),
			Rates: attempts(3, map[string]uint64{"5xx": 2})}, nil},
		{"one is slow", Status{Clusters: orders(took("a:1", 20, 3), took("b:1", 10, 812), took("c:1", 20, 81),
			took("d:1", 9, 9000))},
			[]string{"cluster orders: b:1 is slow: p50 812 ms in the last minute, that of the others 81.0 ms"}},
		{"one of two is slow", Status{Clusters: orders(took("a:1", 20, 3), took("b:1", 10, 100))},
			[]string{"cluster orders: b:1 is slow: p50 100 ms in the last minute, that of the others 3.0 ms"}},
		{"all are slow", Status{Clusters: orders(took("a:1", 20, 500), took("b:1", 10, 812))}, nil},
		{"slower, but not slow", Status{Clusters: orders(took("a:1", 20, 3), took("b:1", 10, 99))}, nil},
		{"there is one", Status{Clusters: orders(took("a:1", 20, 9000))}, nil},
		{"a limit of the cluster", Status{Clusters: orders(well("a:1")),
			Rates: attempts(0, map[string]uint64{"UO": 7})},
			[]string{"cluster orders: 7 requests refused in the last minute, since a limit was reached (UO); " +
				"0 in flight now"}},
		{"a limit, once", Status{Clusters: orders(well("a:1")),
			Rates: attempts(0, map[string]uint64{"UO": 1})},
			[]string{"cluster orders: 1 request refused in the last minute, since a limit was reached (UO); " +
				"0 in flight now"}},
		{"a rate limit, once", Status{Rates: telemetry.Rates{Total: telemetry.Rate{
			Errors: map[string]uint64{"RL": 1}}}},
			[]string{"1 request refused by a rate limit in the last minute (RL)"}},
		{"a rate limit, and requests without a route", Status{Rates: telemetry.Rates{Total: telemetry.Rate{
			Errors: map[string]uint64{"RL": 12, "NR": 3, "AC": 4}}}},
			[]string{"12 requests refused by a rate limit in the last minute (RL)",
				"4 requests refused by access control in the last minute (AC)",
				"3 requests in the last minute had no route (NR)"}},
		{"a panic", Status{Panics: telemetry.PanicStatus{L7: 2, L4: 1, LastIn: "a request",
			LastAt: ago(59 * time.Minute)}},
			[]string{"the gateway itself is at fault: 3 panics since its start, the last in a request, 59 min ago: " +
				"please report what its log has of it (BUG: panic)"}},
		{"a panic of yesterday", Status{Panics: telemetry.PanicStatus{L4: 1, LastIn: "a connection",
			LastAt: ago(time.Hour)}}, nil},
		{"which routes", Status{Rates: telemetry.Rates{
			Total: telemetry.Rate{Errors: map[string]uint64{"RL": 12}}, Routes: []telemetry.NamedRate{
				{Name: "api", Rate: telemetry.Rate{Errors: map[string]uint64{"RL": 4}}}, {Name: "well"},
				{Name: "shop", Rate: telemetry.Rate{Errors: map[string]uint64{"RL": 8}}}}}},
			[]string{"12 requests refused by a rate limit in the last minute (RL): route shop 8; route api 4"}},
		{"some are refused", Status{Rates: telemetry.Rates{Total: telemetry.Rate{Requests: 20,
			Errors: map[string]uint64{"AC": 9}}}}, nil},
		{"connections and descriptors are gone", Status{Limits: LimitStatus{
			Connections: ConnectionLimit{Used: 32, Max: 32, Waiting: 1},
			Descriptors: DescriptorLimit{Used: 990, Max: 1000}}},
			[]string{"32 of 32 connections are open, so new clients wait: GATEWAY_MAX_CONNECTIONS",
				"990 of 1000 file descriptors are in use: raise the limit (LimitNOFILE=, ulimit -n)"}},
		{"certificates, the worst first", Status{Certificates: []mtls.Status{
			{Kind: "certificate", Path: "soon.pem", NotAfter: now.Add(50 * time.Hour)},
			{Kind: "certificate", Path: "late.pem", NotAfter: now.AddDate(0, 0, 15), Error: "key does not fit"},
			{Kind: "ca", Path: "over.pem", NotAfter: ago(2 * time.Second)},
			{Kind: "ca", Path: "early.pem", NotBefore: now.Add(time.Hour), NotAfter: now.AddDate(0, 0, 1)},
		}}, []string{"certificate over.pem: EXPIRED 2 s ago",
			"certificate early.pem: not valid before 2026-11-29T04:00:00Z",
			"certificate late.pem: what is on disk does not serve: key does not fit",
			"certificate soon.pem: expires in 2 days"}},
		{"a password file",
			Status{PasswordFiles: []passwords.Status{{Path: "a", Users: 1}, {Path: "b", Error: "b: line 3: bad"}}},
			[]string{"password file b: what is on disk does not serve: b: line 3: bad"}},
		{"a bad document", Status{Revision: RevisionStatus{LastRejected: &Rejection{Reasons: []string{"4:1: bad",
			"5:1: bad too"}}}},
			[]string{"the newest document is rejected: 4:1: bad (and 1 more)"}},
		{"a bad first document, which is why it is not ready", Status{
			Reasons:  []string{"no revision serves: the first one was rejected", "4:1: bad"},
			Revision: RevisionStatus{LastRejected: &Rejection{Reasons: []string{"4:1: bad"}}}}, nil},
		{"held, and from the state directory", Status{Revision: RevisionStatus{AsOf: ago(3 * time.Hour),
			Held: &Held{Reasons: []string{"route a: no endpoint in c"}}}},
			[]string{"the newest document is held: route a: no endpoint in c",
				"what serves is from the state directory, as it was 3 h ago"}},
		{"the document is gone", Status{Revision: RevisionStatus{Orphaned: true},
			Discovery: []discovery.Status{{Name: `kv "gateway/web/config"`}}},
			[]string{`the document is gone (kv "gateway/web/config"), what it said goes on serving`}},
		{"Consul is away", Status{Discovery: []discovery.Status{
			{Name: `kv "k"`, Error: refused, LastOK: ago(5 * time.Minute)},
			{Name: `health "a"`, Error: refused, LastOK: ago(time.Minute)},
		}}, []string{`Consul: kv "k" and 1 more: ` + refused + " (the answer of 5 min ago holds)"}},
		{"a token without the right", Status{Discovery: []discovery.Status{{Name: `health "a"`,
			Error: "status 403: Permission denied"}}},
			[]string{`Consul: health "a": status 403: Permission denied (never answered yet)`}},
		{"a client's certificate", Status{Rates: telemetry.Rates{Listeners: []telemetry.HandshakeRate{
			{Name: "web", Failed: 12, Done: 2, Reason: "unknown certificate authority"},
			{Name: "well", Failed: 2, Done: 1000}}}},
			[]string{"listener web: 12 of 14 TLS handshakes failed in the last minute: unknown certificate authority"}},
		{"some clients' certificates", Status{Rates: telemetry.Rates{Listeners: []telemetry.HandshakeRate{
			{Name: "web", Failed: 12, Done: 20, Reason: "unknown certificate authority"}}},
			Revision:     RevisionStatus{LastRejected: &Rejection{Reasons: []string{"bad"}}},
			Certificates: []mtls.Status{{Kind: "certificate", Path: "a", NotAfter: now.Add(time.Minute)}}},
			[]string{"the newest document is rejected: bad",
				"listener web: 12 of 32 TLS handshakes failed in the last minute: unknown certificate authority",
				"certificate a: expires in 60 s"}},
		{"gone from Consul", Status{Clusters: []cluster.Status{{Name: "orders",
			Follows: "consul service orders: not in the catalog", Endpoints: []cluster.EndpointStatus{
				held("a:1", 20*time.Second), held("b:1", 19*time.Second), well("c:1")}}}},
			[]string{"cluster orders: 2 of 3 endpoints are lost in Consul, and used for another 19 s all the same: " +
				"consul service orders: not in the catalog"}},
		{"gone from Consul, which is away", Status{Clusters: []cluster.Status{{Name: "orders",
			Follows: "consul service orders: not in the catalog", Endpoints: []cluster.EndpointStatus{
				held("a:1", -2*time.Second)}}}},
			[]string{"cluster orders: 1 of 1 endpoints is lost in Consul, and used until Consul confirms that it has " +
				"none: consul service orders: not in the catalog"}},
		{"the log's disk is full", Status{LogError: "no space left on device", Rates: telemetry.Rates{LogLinesLost: 9}},
			[]string{"the access log cannot be written: no space left on device (9 lines lost in the last minute)"}},
		{"the log's reader is slow", Status{Rates: telemetry.Rates{LogLinesLost: 9}},
			[]string{"the access log lost 9 lines in the last minute: what it is written to is too slow"}},
		{"the state directory", Status{State: &StateStatus{Dir: "/s", Error: "/s: read-only file system"}},
			[]string{"state directory: /s: read-only file system"}},
		{"what fails comes before what may", Status{
			Clusters: append(orders(well("a:1"), refusing),
				cluster.Status{Name: "none", Follows: "consul service x: not in the catalog"}),
			Certificates: []mtls.Status{{Kind: "certificate", Path: "a", NotAfter: now.Add(time.Minute)}},
			Revision:     RevisionStatus{LastRejected: &Rejection{Reasons: []string{"bad"}}},
		}, []string{"cluster none: no endpoint can be used: consul service x: not in the catalog",
			"the newest document is rejected: bad",
			"cluster orders: 1 of 2 endpoints is not healthy: 10.0.0.9:80 ejected (passive: connect failure), " +
				"connect: " +
				"connection refused, 5 in a row, 2 s ago",
			"certificate a: expires in 60 s"}},
	} {
		if got := findTrouble(&row.s, now); !slices.Equal(got, row.want) {
			t.Errorf("%s:\n%q, want\n%q", row.name, got, row.want)
		}
	}
}

func TestSpan(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "0 s", 0: "0 s", 1900 * time.Millisecond: "1 s", 119 * time.Second: "119 s",
		2 * time.Minute:   "2 min",
		119 * time.Minute: "119 min", 2 * time.Hour: "2 h", 47 * time.Hour: "47 h", 48 * time.Hour: "2 days",
	} {
		if got := span(d); got != want {
			t.Errorf("span(%v) = %q, want %q", d, got, want)
		}
	}
}
