package netio

import "sync"

// BufferSize is the size in bytes of a pooled buffer. A request head and a small body fit; larger heads move to a
// buffer of their own.
const BufferSize = 8 << 10

// HalfSize is the size in bytes of the pooled buffers for half as much.
const HalfSize = BufferSize / 2

// These are the sizes in bytes of the buffers that heads are kept in while a request waits. Most heads are much
// smaller than what they are read with.
const (
	tinySize  = 512
	smallSize = 2 << 10
)

// BulkSize is the size in bytes of the buffers that long bodies are moved through.
const BulkSize = 64 << 10

// Buffer is a pooled byte slice. Whoever takes one with [NewBuffer], [NewHalf], [NewBulk], [Sized] or [Fitting] gives
// it back with Free, and does not touch it afterwards.
type Buffer struct {
	B []byte
}

var (
	tiny   = poolOf(tinySize)
	small  = poolOf(smallSize)
	half   = poolOf(HalfSize)
	normal = poolOf(BufferSize)
	bulk   = poolOf(BulkSize)
)

func poolOf(size int) *sync.Pool {
	return &sync.Pool{New: func() any { return &Buffer{B: make([]byte, size)} }}
}

// NewBuffer takes a buffer of [BufferSize] bytes from the pool.
func NewBuffer() *Buffer { return normal.Get().(*Buffer) }

// NewHalf takes a buffer of [HalfSize] bytes from the pool.
func NewHalf() *Buffer { return half.Get().(*Buffer) }

// NewBulk takes a buffer of [BulkSize] bytes from the pool.
func NewBulk() *Buffer { return bulk.Get().(*Buffer) }

// Sized returns a buffer of at least n bytes: pooled when a pool's size fits, else made for the occasion.
func Sized(n int) *Buffer {
	switch {
	case n <= BufferSize:
		return NewBuffer()
	case n <= BulkSize:
		return NewBulk()
	}
	return &Buffer{B: make([]byte, n)}
}

// Fitting returns a buffer of at least n bytes that is worth moving them to, from one of [BufferSize]; nil: none is.
func Fitting(n int) *Buffer {
	switch {
	case n <= tinySize:
		return tiny.Get().(*Buffer)
	case n <= smallSize:
		return small.Get().(*Buffer)
	}
	return nil
}

// Free gives b back. A nil b is fine. Buffers of odd sizes are left to the garbage collector, so that one large head
// does not pin memory.
func (b *Buffer) Free() {
	if b == nil {
		return
	}
	b.B = b.B[:cap(b.B)]
	switch len(b.B) {
	case tinySize:
		tiny.Put(b)
	case smallSize:
		small.Put(b)
	case HalfSize:
		half.Put(b)
	case BufferSize:
		normal.Put(b)
	case BulkSize:
		bulk.Put(b)
	}
}
