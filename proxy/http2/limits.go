package http2

// Limit is a bound that a peer ran into.
type Limit uint8

const (
	LimitStreams      Limit = iota // a stream over the limit was refused
	LimitResets                    // streams were begun and reset, or made us reset them, in numbers (rapid reset)
	LimitContinuation              // a header block came in too many or too large pieces
	LimitHead                      // a head or trailer section was too large, or had too many fields
	LimitControl                   // control frames, or DATA frames without data, without useful work between them
	LimitOutput                    // more frames waited than a peer that does not read may cause
	LimitStall                     // a stream's data waited too long for the peer's flow control
	// a frame or block was begun and not finished, or a SETTINGS or PING not acknowledged
	LimitSilence
	LimitHeads // a request was refused because the others of the connection hold too much of heads
	limitCount
)

// String is the name for metrics and logs.
func (l Limit) String() string {
	names := [limitCount]string{
		"streams", "resets", "continuation", "head", "control", "output", "stall", "silence", "heads",
	}
	if l < limitCount {
		return names[l]
	}
	return "unknown"
}

const (
	// outBytes is how much may wait in a connection's out buffer, in bytes, before DATA has to wait; one pooled buffer.
	outBytes = 64 << 10
	// headBytes is how much may wait before a client opens no more streams: data alone never comes to so much.
	headBytes = 256 << 10
	// outHard is where a peer that makes us write and does not read is cut off, in bytes.
	outHard = 512 << 10
	// blockFrames is the most CONTINUATION frames in one header block. Honest peers fill their frames, so a few
	// suffice.
	blockFrames = 32
	// minStreams is what a client may open before the server's SETTINGS came.
	minStreams = 100
	// remembered is how many streams that a server reset it remembers at least, so that what was on its way for them is
	// ignored.
	remembered = 128
)

// Flood limits. A control frame costs one token, and useful work brings some back; so does time, but slowly. A peer
// that exhausts the tokens only makes work.
const (
	controlTokens   = 2000 // to begin with, and the most there can be
	tokensPerStream = 8    // for each stream it opens
	tokensPerData   = 4    // for each DATA frame either side sends
	tokensPerSecond = 200
)

// A peer answers data with WINDOW_UPDATE frames, perhaps much later, and then with all of them at once. So many cost
// nothing, for the stream and for the connection.
const (
	bytesPerUpdate = 4 << 10 // sent to the peer; what is left of a DATA frame counts as so many
	mostUpdates    = 1 << 20 // and no more wait to be used
)

// Rapid-reset limits. Each stream that ends early by the peer's doing (its own RST_STREAM, or an error of its making)
// adds one. Each that ends well takes one away, and so does time.
const (
	resetsAllowed   = 256
	resetsPerSecond = 50
)

// flood counts, for one connection, what the peer makes us do. Guarded by the connection's mutex.
type flood struct {
	tokens   int
	tokensAt int64 // when time last brought tokens
	updates  int   // WINDOW_UPDATE frames that cost nothing
	resets   int
	resetsAt int64
}

// control takes a token for a frame that is not useful by itself; false when the peer has spent all.
func (f *flood) control(now func() int64) bool {
	if f.tokens--; f.tokens > 0 {
		return true
	}
	at := now()
	if gain := (at - f.tokensAt) * tokensPerSecond / 1e9; gain > 0 {
		f.tokens += int(min(gain, controlTokens))
		f.tokensAt = at
	}
	return f.tokens > 0
}

// sent notes a DATA frame of n bytes to the peer.
func (f *flood) sent(n int) {
	f.useful(tokensPerData)
	f.updates = min(f.updates+2*(1+n/bytesPerUpdate), mostUpdates)
}

// update notes a WINDOW_UPDATE frame of the peer's; false when it has sent too many that no data is behind.
func (f *flood) update(now func() int64) bool {
	if f.updates > 0 {
		f.updates--
		return true
	}
	return f.control(now)
}

// allow takes a token for a frame that is not useful by itself, where the lock is not held. It is false when the peer
// has spent all.
func (c *Conn) allow() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.flood.control(c.nc.Now)
}

// useful brings n tokens back.
func (f *flood) useful(n int) {
	f.tokens = min(f.tokens+n, controlTokens)
}

// reset notes a stream that ended early by the peer's doing; false when there were too many.
func (f *flood) reset(now func() int64) bool {
	at := now()
	if f.resets == 0 {
		f.resetsAt = at
	}
	if gone := int((at - f.resetsAt) * resetsPerSecond / 1e9); gone > 0 {
		f.resets = max(0, f.resets-gone)
		f.resetsAt = at
	}
	f.resets++
	return f.resets <= resetsAllowed
}

// finished notes a stream that ended well.
func (f *flood) finished() {
	if f.resets > 0 {
		f.resets--
	}
}
