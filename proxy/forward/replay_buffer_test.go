package forward

import (
	"bytes"
	"strings"
	"testing"
)

// The states of a replay buffer, step by step: whether another attempt can send all that was read of the body.
func TestReplayBuffer(t *testing.T) {
	full := strings.Repeat("x", replayBytes)
	keep := func(p string) func(*replayBuffer) { return func(r *replayBuffer) { r.keep([]byte(p), false) } }
	late := func(p string) func(*replayBuffer) { return func(r *replayBuffer) { r.keep([]byte(p), true) } }
	gather := func(p string) func(*replayBuffer) { return func(r *replayBuffer) { r.gather([]byte(p)) } }
	retain := func(r *replayBuffer) { r.retain(true) }
	claimed := func(want bool) func(*replayBuffer) {
		return func(r *replayBuffer) {
			if got := r.claim(); got != want {
				t.Errorf("claim = %v, want %v", got, want)
			}
		}
	}
	for _, tt := range []struct {
		name  string
		steps []func(*replayBuffer)
		data  string
		state uint32
	}{
		{"empty", nil, "", replayWhole},
		{"what was gathered is whole", []func(*replayBuffer){gather("a"), gather("b")}, "ab", replayWhole},
		{"the route retries", []func(*replayBuffer){gather("a"), retain, keep("b")}, "ab", replayWhole},
		{"the route does not retry", []func(*replayBuffer){gather("a"), func(r *replayBuffer) { r.retain(false) },
			keep("b")}, "a", replayPartial},
		{"the bound is reached", []func(*replayBuffer){retain, keep(full)}, full, replayWhole},
		{"beyond the bound", []func(*replayBuffer){retain, keep(full), keep("b")}, full, replayPartial},
		{"a piece beyond the bound", []func(*replayBuffer){retain, keep(full + "b")}, "", replayPartial},
		{"a gap stays", []func(*replayBuffer){retain, keep(full), keep("b"), keep("")}, full, replayPartial},
		{"behind the head of the response", []func(*replayBuffer){retain, keep("a"), late("b")}, "a", replayPartial},
		{"partial is not claimed", []func(*replayBuffer){retain, late("b"), claimed(false)}, "", replayPartial},
		{"claimed twice", []func(*replayBuffer){claimed(true), claimed(true)}, "", replayClaimed},
		{"claimed: beyond the bound", []func(*replayBuffer){retain, claimed(true), keep(full), keep("b")}, full + "b",
			replayClaimed},
		{"claimed: behind the head", []func(*replayBuffer){retain, claimed(true), late("b")}, "b", replayClaimed},
		{"claimed, then another attempt", []func(*replayBuffer){claimed(true), retain}, "", replayWhole},
		{"unclaimed", []func(*replayBuffer){retain, claimed(true), (*replayBuffer).unclaim, late("b")}, "",
			replayPartial},
		{"unclaimed without a claim", []func(*replayBuffer){retain, late("b"), (*replayBuffer).unclaim}, "",
			replayPartial},
		{"partial stays over another attempt", []func(*replayBuffer){retain, late("b"), retain, keep("c")}, "",
			replayPartial},
		{"reset", []func(*replayBuffer){gather("a"), retain, late("b"), (*replayBuffer).reset}, "", replayWhole},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var r replayBuffer
			defer r.release()
			for _, step := range tt.steps {
				step(&r)
			}
			if !bytes.Equal(r.data, []byte(tt.data)) {
				t.Errorf("%d bytes, want %d: %.20q", len(r.data), len(tt.data), r.data)
			}
			if got := r.state.Load(); got != tt.state || r.whole() != (tt.state != replayPartial) {
				t.Errorf("state %d, whole %v; want state %d", got, r.whole(), tt.state)
			}
		})
	}
}

// What lies in the reader's memory is copied before the reader goes on.
func TestReplayBufferCopies(t *testing.T) {
	piece := []byte("first")
	var r replayBuffer
	defer r.release()
	r.data = piece // as upload.gather leaves it
	r.retain(true)
	copy(piece, "other")
	r.keep(piece, false)
	if string(r.data) != "firstother" {
		t.Errorf("%q is kept, want %q", r.data, "firstother")
	}
}
