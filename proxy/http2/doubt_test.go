package http2

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	xhttp2 "golang.org/x/net/http2"
)

// TestRequestsThatAreGivenUp: clients with less patience than any timeout find a silent peer too.
func TestRequestsThatAreGivenUp(t *testing.T) {
	for _, row := range []struct {
		name    string
		end     bool // the request is whole
		body    int  // what is sent of it
		patient time.Duration
		doubted bool
	}{
		{"after a second", true, 0, time.Second, true},
		{"sooner", true, 0, time.Second - 1, false},
		{"inside its body", false, 10, time.Minute, false},
		{"inside its body, of which nothing more is taken", false, 101, time.Second, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, c := clientPeer(t, Options{PingTimeout: 3 * time.Second, SettingsTimeout: time.Hour},
					xhttp2.Setting{ID: xhttp2.SettingInitialWindowSize, Val: 100})
				p.Want("SETTINGS ack")
				<-time.After(time.Minute) // a connection that was idle owes nothing
				s, _ := p.open(c, row.end)
				go func() {
					for p.Line() != "end" {
					}
				}()
				if row.body > 0 {
					_, _ = s.WriteData(nil, make([]byte, row.body), false)
				}
				<-time.After(row.patient)
				s.Reset(nil, Cancel)
				if usable := c.Usable(); usable == row.doubted {
					t.Errorf("usable %v", usable)
				}
				<-time.After(3*time.Second + 1)
				synctest.Wait()
				select {
				case <-c.Done():
					if !row.doubted {
						t.Error("it was closed")
					}
				default:
					if row.doubted {
						t.Error("it was not closed")
					}
				}
			})
		})
	}
}

// TestImpatientClientsInARow: each has less than a second of patience, and the peer is silent to all of them.
func TestImpatientClientsInARow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, c := clientPeer(t, Options{SettingsTimeout: time.Hour})
		p.Want("SETTINGS ack")
		for i := range 2 {
			s, _ := p.open(c, true)
			<-time.After(600 * time.Millisecond)
			s.Reset(nil, Cancel)
			if c.Usable() != (i == 0) {
				t.Errorf("usable %v after %d requests", c.Usable(), i+1)
			}
			if i == 1 {
				p.Want("PING alive?") // while the stream is open
			}
		}
		p.Want("RST 3 CANCEL")
		p.write(p.WritePing(true, pingAlive))
		synctest.Wait()
		if !c.Usable() {
			t.Error("not usable although the peer has been heard of")
		}
	})
}

// TestGivenUpPingsAreFew: a server of gRPC ends the connection with the fourth PING that no head or data was before.
func TestGivenUpPingsAreFew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, c := clientPeer(t, Options{SettingsTimeout: time.Hour})
		p.Want("SETTINGS ack")
		give := func() (pinged bool) {
			s, _ := p.open(c, true)
			<-time.After(2 * time.Second)
			s.Reset(nil, Cancel)
			line := p.Line()
			if line == "PING alive?" {
				p.write(p.WritePing(true, pingAlive))
				pinged = true
				line = p.Line()
			}
			if !strings.HasSuffix(line, " CANCEL") {
				t.Errorf("sent %s", line)
			}
			synctest.Wait()
			return pinged
		}
		for i := range 5 {
			if got := give(); got != (i < maxDoubts) {
				t.Errorf("request %d: pinged %v", i, got)
			}
		}
		s, e := p.open(c, true)
		p.headers(uint32(s.id), true, ":status", "200")
		e.want("head 2xx end")
		if !give() {
			t.Error("not pinged although a head has come")
		}
	})
}

// TestStallDoubts: a peer that takes nothing more of a body, and sends nothing else, may be gone.
func TestStallDoubts(t *testing.T) {
	for _, heard := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			p, c := clientPeer(t, Options{SettingsTimeout: time.Hour, StallTimeout: 5 * time.Second})
			p.Want("SETTINGS ack")
			s, e := p.open(c, false)
			go func() {
				for p.Line() != "end" {
				}
			}()
			<-time.After(time.Second)
			_, _ = s.WriteData(nil, make([]byte, 1<<20), false)
			<-time.After(2 * time.Second)
			if heard {
				p.write(p.WritePing(false, [8]byte{}))
			}
			e.want("reset CANCEL")
			if c.Usable() != heard {
				t.Errorf("heard of %v: usable %v", heard, c.Usable())
			}
		})
	}
}
