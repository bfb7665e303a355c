//go:build unix

package daemon

// Looking at what a client has sent without reading it, which is left to the socket loop.

import (
	"net"
	"syscall"
)

// pending reports whether bytes wait on conn. The end of the stream is none.
func pending(conn net.Conn) bool {
	sc, ok := conn.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return false
	}
	n := 0
	err = raw.Read(func(fd uintptr) bool {
		var b [1]byte
		// This does not wait: the sockets of Go are non-blocking.
		n, _, _ = syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK)
		return true
	})
	return err == nil && n > 0
}
