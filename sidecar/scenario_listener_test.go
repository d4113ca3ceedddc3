package sidecar_test

import (
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
)

// Listeners come, move and go with the document. Who is connected stays connected.
func TestListeners(t *testing.T) {
	t.Parallel()
	backend := app(t, "app")
	path := filepath.Join(t.TempDir(), "gateway.yaml")
	with := func(listeners string) string { return listeners + "\n" + one(backend) }
	write(t, path, with(""))
	g := serve(t, env{"GATEWAY_CONFIG": path})
	loopback := testserver.Addr(t)
	applied := g.status().Revision.Applied
	apply := func(listeners string) status {
		t.Helper()
		write(t, path, with(listeners))
		applied++
		return g.wait("the listeners "+listeners, func(s status) bool {
			if s.Revision.LastRejected != nil {
				t.Fatalf("%s: rejected for %q", listeners, s.Revision.LastRejected.Reasons)
			}
			return s.Revision.Applied == applied
		})
	}
	serves := func() {
		t.Helper()
		if code, body, err := fetch("http://" + loopback); err != nil || code != http.StatusOK || body != "app" {
			t.Errorf("on %s: %d %q %v, want the app", loopback, code, body, err)
		}
	}

	s := apply(fmt.Sprintf("listeners: [{name: more, address: %q}]", loopback))
	if len(s.Listeners) != 2 || s.Listeners[0].Name != "more" || s.Listeners[0].Address != loopback {
		t.Errorf("listeners %+v, want more and the default", s.Listeners)
	}
	serves()
	requests := g.load("/")
	kept := newKeeper(t, loopback)
	use := func() {
		t.Helper()
		if again, err := kept.ask(); err != nil || !again {
			t.Errorf("a kept connection: %v, again %v", err, again)
		}
	}
	use()

	apply(fmt.Sprintf("listeners: [{name: renamed, address: %q}]", loopback))
	serves()
	use()
	apply("listeners: []")
	use()
	if conn, err := net.Dial("tcp", loopback); err == nil {
		conn.Close()
		t.Error("a listener that is gone still takes connections")
	}
	apply(fmt.Sprintf("listeners: [{name: back, address: %q}]", loopback))
	serves()
	requests.none(t)
}

// The same address changes from HTTP to TCP and back.
func TestListenerChangesItsProtocol(t *testing.T) {
	t.Parallel()
	answering := app(t, "app")
	path := filepath.Join(t.TempDir(), "gateway.yaml")
	address := testserver.Addr(t)
	document := func(listener string) string {
		return "listeners: [{name: p, address: \"" + address + "\", " + listener + "}]\n" +
			"routes: [{name: only, match: {path_prefix: /http}, cluster: c}]\nclusters: [{name: c, endpoints: [\"" +
			answering + "\"]}]\n"
	}
	write(t, path, document("protocol: http"))
	serve(t, env{"GATEWAY_CONFIG": path})
	becomes := func(code int, body string) {
		t.Helper()
		testserver.WaitFor(t, longestWait, fmt.Sprintf("%d %q", code, body), func() bool {
			client.CloseIdleConnections() // a kept connection goes on as what it was: ask on a new one
			gotCode, got, err := fetch("http://" + address + "/tcp")
			return err == nil && gotCode == code && strings.HasPrefix(got, body)
		})
	}
	becomes(http.StatusNotFound, "no route")
	write(t, path, document("protocol: tcp, cluster: c"))
	becomes(http.StatusOK, "app")
	write(t, path, document("protocol: http"))
	becomes(http.StatusNotFound, "no route")
}
