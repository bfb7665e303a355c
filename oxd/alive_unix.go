//go:build unix

package oxd

// Looking at an idle connection without touching it.

import (
	"syscall"
	"time"
)

// probe is what the looking needs, made once for each connection.
type probe struct {
	raw   syscall.RawConn
	look  func(fd uintptr) bool
	quiet bool
}

// alive reports whether the connection is open and has nothing to say: an end,
// an error, and bytes nobody asked for all make it useless.
func (c *tcpConn) alive(deadline time.Time) bool {
	p := &c.probe
	if p.raw == nil {
		sc, ok := c.Conn.(syscall.Conn)
		if !ok {
			return aliveByReading(c.Conn, deadline)
		}
		raw, err := sc.SyscallConn()
		if err != nil {
			return false
		}
		var b [1]byte
		p.raw, p.look = raw, func(fd uintptr) bool {
			_, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK)
			p.quiet = err == syscall.EAGAIN || err == syscall.EWOULDBLOCK
			return true // whatever it was, do not wait
		}
	}
	p.quiet = false
	return p.raw.Read(p.look) == nil && p.quiet
}
