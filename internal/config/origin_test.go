package config

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// Whoever said a timeout last is named, and nobody who only could have.
func TestEffectiveTimeouts(t *testing.T) {
	boot := Standard()
	boot.Timeouts.Connect, boot.Timeouts.Upstream = time.Second, 7*time.Second
	for _, row := range []struct {
		name, document string
		base           Base
		grpc           bool
		want           string
	}{
		{
			"nobody says anything", "", Base{}, false,
			"read 15s default, connect 2s default, upstream 10s default, request 0s default, response_idle 0s " +
				"default, write 30s default, tcp_idle 5m default",
		},
		{
			"environment", "", boot, false,
			"read 15s default, connect 1s bootstrap, upstream 7s bootstrap, request 0s default, response_idle 0s " +
				"default, write 30s default, tcp_idle 5m default",
		},
		{
			"document over environment", "timeouts: {upstream: 3s, connect: 2s, read: 15s, write: 1h, tcp_idle: 0s}",
			boot, false,
			"read 15s default, connect 2s document, upstream 3s document, request 0s default, response_idle 0s " +
				"default, write 1h document, tcp_idle 0s document",
		},
		{
			"route over document", "timeouts: {upstream: 3s, write: 1m}\nROUTE{upstream: 4s, request: 1m, " +
				"response_idle: 2s, write: 2m}", boot, false,
			"read 15s default, connect 1s bootstrap, upstream 4s route, request 1m route, response_idle 2s route, " +
				"write 2m route, tcp_idle 5m default",
		},
		{
			"route says what the document says", "ROUTE{upstream: 10s, write: 30s}", Base{}, false,
			"read 15s default, connect 2s default, upstream 10s route, request 0s default, response_idle 0s " +
				"default, write 30s default, tcp_idle 5m default",
		},
		{
			"gRPC has the route's own only", "timeouts: {upstream: 3s}", boot, true,
			"read 15s default, connect 1s bootstrap, upstream 0s default, request 0s default, response_idle 0s " +
				"default, write 30s default, tcp_idle 5m default",
		},
		{
			"gRPC with the route's own", "ROUTE{upstream: 4s}", boot, true,
			"read 15s default, connect 1s bootstrap, upstream 4s route, request 0s default, response_idle 0s " +
				"default, write 30s default, tcp_idle 5m default",
		},
		{
			"none of an upstream timeout", "timeouts: {upstream: 0s}", Base{}, false,
			"read 15s default, connect 2s default, upstream 0s document, request 0s default, response_idle 0s " +
				"default, write 30s default, tcp_idle 5m default",
		},
		{
			"none for the route", "ROUTE{upstream: 0s}", Base{}, false,
			"read 15s default, connect 2s default, upstream 0s route, request 0s default, response_idle 0s default, " +
				"write 30s default, tcp_idle 5m default",
		},
	} {
		before, timeouts, _ := strings.Cut(row.document, "ROUTE")
		if timeouts == "" {
			timeouts = "{}"
		}
		doc := decode(t, before+"\nclusters: [{name: app, endpoints: [\"a:1\"]}]\nroutes: [{name: all, cluster: "+
			"app, timeouts: "+timeouts+"}]", row.base)
		var got []string
		for _, s := range doc.Routes[0].EffectiveTimeouts(doc.Timeouts, row.base, row.grpc) {
			got = append(got, s.Name+" "+s.Value+" "+s.From)
		}
		if text := strings.Join(got, ", "); text != row.want {
			t.Errorf("%s:\n%s\nwant\n%s", row.name, text, row.want)
		}
	}
}

// Every timeout that a document can set is told of, but for those that are not of a request.
func TestEveryTimeoutIsTold(t *testing.T) {
	told := []string{"idle", "tcp_max_duration"}
	for _, s := range new(Route).EffectiveTimeouts(Timeouts{}, Base{}, false) {
		told = append(told, s.Name)
	}
	for _, key := range slices.Concat(timeoutsBlock.keys(), routeTimeoutsBlock.keys()) {
		if !slices.Contains(told, key) {
			t.Errorf("explain tells nothing of timeout %s", key)
		}
	}
}
