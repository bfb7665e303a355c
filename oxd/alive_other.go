//go:build !unix

package oxd

import "net"

// alive reports whether conn is open and has nothing to say.
func alive(conn net.Conn) bool { return aliveByReading(conn) }
