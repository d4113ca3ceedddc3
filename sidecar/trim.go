package sidecar

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	trimEvery = 250 * time.Millisecond
	// trimQuiet is how long it must be quiet before memory goes back to the system, trimAgain the least time between
	// two trims.
	trimQuiet = 250 * time.Millisecond
	trimAgain = 10 * time.Second
	// trimIdle is the processor time within trimEvery that is still quiet.
	trimIdle = 5 * time.Millisecond
	// trimWorth is how many bytes must be there to be given back: the collection costs some milliseconds.
	trimWorth = 2 << 20
	// fileWorth is the same for pages of the program's own file. fileAgain is the least time between two releases of
	// them: those that are needed come back, a microsecond each.
	fileWorth = 4 << 20
	fileAgain = time.Minute
)

// trim gives the memory of a burst back to the system once it is over. An idle sidecar should cost its app's machine
// next to nothing. The runtime alone would do so only after the next collection, and a gateway that allocates nothing
// rarely has one. It ends with ctx.
func trim(ctx context.Context) {
	used, ok := processorTime()
	if !ok {
		return
	}
	t := time.NewTicker(trimEvery)
	defer t.Stop()
	var quiet time.Duration
	var file programFile
	var last time.Time
	base := spare() // what a trim leaves, or the start needed
	load := newLoadWatch()
	defer load.quiet()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		before := used
		if used, _ = processorTime(); used-before > trimIdle {
			quiet = 0
			load.busy(trimEvery)
			continue
		}
		if quiet += trimEvery; quiet < trimQuiet {
			continue
		}
		load.quiet()
		file.trim(time.Now())
		if time.Since(last) < trimAgain || spare() < base+trimWorth {
			continue
		}
		debug.FreeOSMemory()
		last, base = time.Now(), spare()
		used, _ = processorTime()
	}
}

// spare is the memory that the heap holds beyond what is known to be alive. It is free, unused in its spans, or
// garbage that nobody has looked for.
func spare() uint64 {
	s := []metrics.Sample{
		{Name: "/memory/classes/heap/free:bytes"},
		{Name: "/memory/classes/heap/unused:bytes"},
		{Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/gc/heap/live:bytes"},
	}
	metrics.Read(s)
	all := s[0].Value.Uint64() + s[1].Value.Uint64() + s[2].Value.Uint64()
	return all - min(all, s[3].Value.Uint64())
}

// programFile is what trim knows of the program's own file, whose pages are in the process once they were needed.
type programFile struct {
	released time.Time // for the last time
	left     int64     // bytes that were resident then
}

// trim takes the pages of the file out of the process, if they are many. Most were needed at the start alone.
func (p *programFile) trim(now time.Time) {
	if now.Sub(p.released) < fileAgain || residentFiles() < p.left+fileWorth {
		return
	}
	releaseProgram()
	p.released, p.left = now, residentFiles()
}
