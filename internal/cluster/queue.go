package cluster

import (
	"container/list"
	"context"
	"errors"
	"sync"
	"time"
)

// QueueOptions says how many requests may be in a cluster at a time. It protects an app that can serve only so many at
// once: the others wait in front of it, first come first served. The zero value limits nothing.
type QueueOptions struct {
	Concurrency int           // requests at a time; 0 = no limit
	Waiting     int           // requests that wait at a time; 0 = ten rounds of what is let in, and at least 1024
	Timeout     time.Duration // the longest wait; 0 = none waits
}

// maxWaiting is how many requests wait at a time. The memory of 1024 is small.
func (o QueueOptions) maxWaiting() int {
	switch {
	case o.Timeout <= 0:
		return 0
	case o.Waiting > 0:
		return o.Waiting
	}
	return max(1024, 10*o.Concurrency)
}

// Queue is the state of QueueOptions. It outlives revisions. Safe for concurrent use.
type Queue struct {
	maxWaiting int
	timeout    time.Duration

	mu sync.Mutex
	// free is the number of places; 0 while somebody waits.
	// +checklocks:mu
	free int
	// waiting holds values of chan struct{}, each with room for the one token that is its place.
	// +checklocks:mu
	waiting list.List
}

// NewQueue returns nil for options that limit nothing.
func NewQueue(o QueueOptions) *Queue {
	if o.Concurrency <= 0 {
		return nil
	}
	return &Queue{maxWaiting: o.maxWaiting(), timeout: o.Timeout, free: o.Concurrency}
}

// TryEnter takes a place if one is free. Leave gives it back.
func (q *Queue) TryEnter() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.free == 0 {
		return false
	}
	q.free--
	return true
}

// Leave gives a place to the request that has waited longest.
func (q *Queue) Leave() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if first := q.waiting.Front(); first != nil {
		q.waiting.Remove(first).(chan struct{}) <- struct{}{}
		return
	}
	q.free++
}

// Enter takes a place, waiting for one if need be. While it waits it calls poll, whose error ends the wait and is
// returned. Other errors: [ErrOverflow] when the queue is full or the wait took too long, ctx's own when that ended.
// An error means that there is no place to give back.
func (q *Queue) Enter(ctx context.Context, poll func() error) error {
	granted, at := q.join()
	if granted == nil {
		return ErrOverflow
	}
	err := wait(ctx, granted, q.timeout, poll)
	late := errors.Is(err, errLate)
	switch {
	case err == nil:
		return nil
	case q.quit(at):
	case late: // the place came at the same moment
		return nil
	default:
		q.Leave()
	}
	if late {
		return ErrOverflow
	}
	return err
}

// join queues up, unless too many wait already: then granted is nil. It is granted at once where a place is free.
func (q *Queue) join() (granted chan struct{}, at *list.Element) {
	q.mu.Lock()
	defer q.mu.Unlock()
	granted = make(chan struct{}, 1)
	switch {
	case q.free > 0:
		q.free--
		granted <- struct{}{}
		return granted, nil
	case q.waiting.Len() >= q.maxWaiting:
		return nil, nil
	}
	return granted, q.waiting.PushBack(granted)
}

// quit stops waiting. It reports whether the place had not been granted yet.
func (q *Queue) quit(at *list.Element) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := q.waiting.Len()
	if at != nil {
		q.waiting.Remove(at) // does nothing when Leave has removed it
	}
	return q.waiting.Len() < n
}
