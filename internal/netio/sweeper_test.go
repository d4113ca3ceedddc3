package netio

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// intact fails the test unless the list is well linked and as long as it is said to be.
func (s *Sweeper) intact(t testing.TB) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for where, l := range map[place]list{inList: s.awake, inParked: s.parked.list} {
		n := 0
		var prev *Conn
		for c := l.head; c != nil; prev, c = c, c.next {
			if c.prev != prev || c.place != where {
				t.Fatalf("connection %d of the list is badly linked", n)
			}
			if n++; n > l.count {
				break
			}
		}
		if n != l.count {
			t.Fatalf("the list has %d connections, its count says %d", n, l.count)
		}
	}
}

// TestSweeperList: every order of leaving keeps the list whole.
func TestSweeperList(t *testing.T) {
	for _, order := range [][]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}} {
		s := NewSweeper()
		var conns [3]*Conn
		for i := range conns {
			ours, _ := piped(t)
			conns[i] = New(ours, s, 0)
			s.intact(t)
		}
		for left, i := range order {
			for range 2 { // leaving twice is leaving once
				_ = conns[i].Close()
				s.intact(t)
			}
			if s.Len() != 2-left {
				t.Errorf("%v: %d connections after %d have left", order, s.Len(), left+1)
			}
		}
	}
}

// TestSweeperChurn: connections come and go in many goroutines while the sweeper walks.
func TestSweeperChurn(t *testing.T) {
	s := sweeping(t)
	var churn sync.WaitGroup
	for g := range uint64(4) {
		churn.Go(func() {
			r := rand.New(rand.NewPCG(g, 1))
			var mine []*Conn
			for range 500 {
				if len(mine) > 20 || len(mine) > 0 && r.IntN(2) == 0 {
					i := r.IntN(len(mine))
					switch r.IntN(2) {
					case 0:
						_ = mine[i].Close()
					case 1:
						_ = mine[i].Abort()
					}
					mine[i] = mine[len(mine)-1]
					mine = mine[:len(mine)-1]
				} else {
					ours, _ := piped(t)
					c := New(ours, s, 0)
					c.SetReadDeadline(s.Now() + int64(r.IntN(2)))
					mine = append(mine, c)
				}
				s.sweep()
			}
			s.intact(t)
			for _, c := range mine {
				_ = c.Close()
			}
		})
	}
	churn.Wait()
	s.intact(t)
	if s.Len() != 0 {
		t.Errorf("%d connections are left", s.Len())
	}
}

// TestSweeperRests: without connections nothing ticks; the first one that comes is looked after again.
func TestSweeperRests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sweeping(t)
		for range 3 {
			wait(time.Hour)
			ours, _ := piped(t)
			c := New(ours, s, 0)
			at := s.Now() + int64(10*time.Second)
			c.SetReadDeadline(at)
			(<-reading(c)).wantErr(t, ErrTimeout)
			if late := time.Duration(s.Now() - at); late < 0 || late > Period {
				t.Errorf("came %v late, want 0 to %v", late, Period)
			}
			_ = c.Close()
		}
	})
}

func TestSweeperClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		s := NewSweeper()
		if now := s.Now(); now != 1 {
			t.Errorf("Now at the start = %d, want 1", now)
		}
		wait(time.Minute)
		if now := s.Now(); now != int64(time.Minute)+1 {
			t.Errorf("Now after a minute = %d", now)
		}
		if at := s.Time(int64(time.Minute)); !at.Equal(start.Add(time.Minute)) {
			t.Errorf("Time of a minute = %v, want %v", at, start.Add(time.Minute))
		}
		ctx, stop := context.WithCancel(t.Context())
		stop()
		s.Run(ctx) // returns
	})
}
