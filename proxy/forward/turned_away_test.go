package forward

import (
	"testing"
	"time"
)

func TestTurnedAway(t *testing.T) {
	ms := func(n int) time.Duration { return time.Duration(n) * time.Millisecond }
	var td turnedAway
	var now int64
	for i, row := range []struct {
		after  time.Duration // since the one before
		pause  time.Duration
		enough int // of how many that it saw turn away, the last of them this one, a request has had enough
	}{
		{0, 0, 2},
		{ms(1), ms(25), 2},
		{ms(30), ms(50), 2},
		{ms(60), ms(100), 1},
		{ms(100), ms(200), 1},
		{ms(200), ms(250), 1},
		{10 * time.Second, ms(250), 1},
		{31 * time.Second, 0, 2}, // it may be another endpoint by now
		{ms(1), ms(25), 2},
	} {
		now += int64(row.after)
		td.note(now)
		if got := td.pause(); got != row.pause {
			t.Errorf("row %d: pause %v, want %v", i, got, row.pause)
		}
		for range 20 {
			if got := td.wait(now); got < row.pause/2 || got > row.pause {
				t.Errorf("row %d: wait %v, want %v at most and half of it at least", i, got, row.pause)
			}
		}
		if got := td.wait(now + int64(row.pause)); got != 0 {
			t.Errorf("row %d: wait %v when the pause is over", i, got)
		}
		for seen := range 3 {
			if got := td.enough(td.all - seen); got != (seen >= row.enough) {
				t.Errorf("row %d: enough after %d is %v", i, seen, got)
			}
		}
	}
}
