package sidecar

import (
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// adminPlaces drives adminClients as an http.Server does, with a connection a name, in steps of a second.
type adminPlaces struct {
	t       *testing.T
	clients adminClients
	server  http.Server
	conns   map[string]net.Conn
}

func newAdminPlaces(t *testing.T) *adminPlaces {
	t.Helper()
	p := &adminPlaces{t: t, conns: map[string]net.Conn{}}
	p.server.Handler = http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	p.clients.attach(&p.server)
	return p
}

// step has connections change one after the other. In StateActive the whole head has come, and the handler returns.
func (p *adminPlaces) step(s http.ConnState, names ...string) {
	p.t.Helper()
	for _, name := range names {
		<-time.After(time.Second)
		if p.conns[name] == nil {
			p.conns[name], _ = net.Pipe()
		}
		if s == http.StateActive {
			ctx := p.server.ConnContext(p.t.Context(), p.conns[name])
			r, err := http.NewRequestWithContext(ctx, http.MethodGet, "/", nil)
			if err != nil {
				p.t.Fatal(err)
			}
			p.server.Handler.ServeHTTP(nil, r)
			continue
		}
		p.clients.changed(p.conns[name], s)
	}
}

// closed gives the connections that have made room; empty: none has.
func (p *adminPlaces) closed() (names string) {
	for _, name := range slices.Sorted(maps.Keys(p.conns)) {
		nc := p.conns[name]
		_ = nc.SetReadDeadline(time.Now())
		if _, err := nc.Read(make([]byte, 1)); errors.Is(err, io.ErrClosedPipe) {
			names += name
		}
	}
	return names
}

// The connection that makes room has had a response, if there is one that has, and waits for longest. A request whose
// response is not written is in hand.
func TestAdminMakesRoom(t *testing.T) {
	for _, row := range []struct {
		name string
		do   func(p *adminPlaces)
		want string
	}{
		{"nobody has asked", func(*adminPlaces) {}, "a"},
		{"the oldest asks", func(p *adminPlaces) { p.step(http.StateActive, "a") }, "b"},
		{"the oldest has had its response", func(p *adminPlaces) {
			p.step(http.StateActive, "a")
			p.step(http.StateIdle, "a")
		}, "a"},
		{"others have had theirs", func(p *adminPlaces) {
			p.step(http.StateActive, "c", "b")
			p.step(http.StateIdle, "c", "b")
		}, "c"},
		{"it asks once more", func(p *adminPlaces) {
			p.step(http.StateActive, "c", "b")
			p.step(http.StateIdle, "c", "b")
			p.step(http.StateActive, "c")
		}, "b"},
		{"all but the last wait for their response", func(p *adminPlaces) {
			for name := range p.conns {
				p.step(http.StateActive, name)
			}
		}, ""},
		{"one has gone", func(p *adminPlaces) { p.step(http.StateClosed, "a") }, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newAdminPlaces(t)
				p.step(http.StateNew, "a", "b", "c")
				for n := 3; n < adminConnections-1; n++ {
					p.step(http.StateNew, string(rune('A'+n)))
				}
				row.do(p)
				p.step(http.StateNew, "last")
				if got := p.closed(); got != row.want {
					t.Errorf("closed %q, want %q", got, row.want)
				}
			})
		})
	}
}

// One that has come a moment ago stays when others get their responses meanwhile.
func TestAdminKeepsWhoHasJustCome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newAdminPlaces(t)
		for n := 1; n < adminConnections; n++ {
			p.step(http.StateNew, string(rune('A'+n)))
			p.step(http.StateActive, string(rune('A'+n)))
		}
		p.step(http.StateNew, "last")
		p.step(http.StateIdle, "B", "C")
		if got := p.closed(); got != "B" {
			t.Errorf("closed %q, want B, which has had its response", got)
		}
		p.step(http.StateNew, "next")
		if got := p.closed(); got != "BC" {
			t.Errorf("closed %q for another one that has come, want B and C", got)
		}
	})
}
