//go:build unix

package oxd

// Looking at an idle connection without touching it.

import (
	"net"
	"syscall"
)

// alive reports whether conn is open and has nothing to say: an end, an error,
// and bytes nobody asked for all make it useless.
func alive(conn net.Conn) bool {
	sc, ok := conn.(syscall.Conn)
	if !ok {
		return aliveByReading(conn)
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return false
	}
	quiet := false
	err = raw.Read(func(fd uintptr) bool {
		var b [1]byte
		_, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK)
		quiet = err == syscall.EAGAIN || err == syscall.EWOULDBLOCK
		return true // whatever it was, do not wait
	})
	return err == nil && quiet
}
