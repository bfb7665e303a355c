//go:build !unix

package oxd

import "time"

type probe struct{}

// alive reports whether the connection is open and has nothing to say.
func (c *tcpConn) alive(deadline time.Time) bool { return aliveByReading(c.Conn, deadline) }
