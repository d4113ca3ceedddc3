package sock

import "net"

// Duplicate gives a second handle on a listening socket, for another owner to accept from: so an address never stops being listened on while
// it changes hands. nil: the listener is no socket that can be shared. The handle is the caller's to close.
func Duplicate(ln net.Listener) net.Listener {
	t, ok := ln.(*net.TCPListener)
	if !ok {
		return nil
	}
	f, err := t.File()
	if err != nil {
		return nil // then binding the address says why
	}
	defer f.Close()
	second, err := net.FileListener(f)
	if err != nil {
		return nil
	}
	return second
}
