package netio

import (
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// pollSet is an epoll set of our own, for sockets that are in the runtime's poller as well. The set itself is a file in
// that poller: waiting for it parks a goroutine and holds no thread.
//
// Descriptors are armed for one event (EPOLLONESHOT) and stay in the set, disarmed, until they are closed, at which
// the kernel takes them out. Arming one again is one system call, disarming none. Between two events a descriptor is
// reported by the kernel as it is (level-triggered), so arming one that is readable already is an event too. The
// runtime sees the set edge-triggered; that is why wait empties it before it waits.
type pollSet struct {
	file   *os.File
	raw    syscall.RawConn
	events [128]unix.EpollEvent // of wait
	closed sync.Once
}

func newPollSet() (*pollSet, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, err
	}
	if err = unix.SetNonblock(fd, true); err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	p := &pollSet{file: os.NewFile(uintptr(fd), "epoll")}
	if p.raw, err = p.file.SyscallConn(); err == nil {
		err = p.file.SetReadDeadline(time.Time{}) // fails when the runtime would wait for it with a thread
	}
	if err != nil {
		_ = p.file.Close()
		return nil, err
	}
	return p, nil
}

// arm has the next event of fd reported under the ticket. again tells that fd is in the set. False: the set is closed,
// or the kernel has no room.
func (p *pollSet) arm(fd int, ticket uint32, again bool) bool {
	op := unix.EPOLL_CTL_ADD
	if again {
		op = unix.EPOLL_CTL_MOD
	}
	e := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLONESHOT, Fd: int32(fd), Pad: int32(ticket)}
	var err error
	closed := p.raw.Control(func(set uintptr) { err = unix.EpollCtl(int(set), op, fd, &e) })
	return closed == nil && err == nil
}

// wait calls f for each event until the moment given to until has passed (os.ErrDeadlineExceeded) or the set is closed.
// One goroutine waits.
func (p *pollSet) wait(f func(fd int, ticket uint32)) error {
	return p.raw.Read(func(set uintptr) bool {
		for {
			n, e := rawEpoll(set, p.events[:])
			if n == 0 || e != 0 && e != syscall.EINTR {
				return false
			}
			for i := range max(n, 0) {
				f(int(p.events[i].Fd), uint32(p.events[i].Pad))
			}
		}
	})
}

// until names the moment at which wait returns; the zero time takes it away. Safe from any goroutine.
func (p *pollSet) until(at time.Time) { _ = p.file.SetReadDeadline(at) } // a closed set is not waited for

// close ends wait. Safe from any goroutine, and more than once: each call returns when the descriptor is closed. A
// second os.File.Close would return while the first still works.
func (p *pollSet) close() { p.closed.Do(func() { _ = p.file.Close() }) }
