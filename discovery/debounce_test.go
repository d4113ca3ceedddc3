package discovery

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestDebounce(t *testing.T) {
	for _, row := range []struct {
		name string
		at   []int  // when values come, ms
		want string // value@ms
	}{
		{"one", []int{0}, "0@200"},
		{"a burst", []int{0, 100, 250}, "2@450"},
		{"two bursts", []int{0, 100, 400}, "1@300 2@600"},
		{"never at rest", []int{0, 150, 300, 450, 600, 750, 900, 1050, 1200}, "6@1000 8@1400"},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				in := make(chan int)
				start := time.Now()
				var got []string
				var running sync.WaitGroup
				running.Go(func() {
					Debounce(ctx, in, 200*time.Millisecond, time.Second, func(v int) {
						got = append(got, fmt.Sprintf("%d@%d", v, time.Since(start).Milliseconds()))
					})
				})
				for i, ms := range row.at {
					<-time.After(time.Duration(ms)*time.Millisecond - time.Since(start))
					in <- i
				}
				<-time.After(time.Minute)
				cancel()
				running.Wait()
				if s := strings.Join(got, " "); s != row.want {
					t.Errorf("got %s, want %s", s, row.want)
				}
			})
		})
	}
}
