package oxd

// The connections of a TCPTransport: how many, how long, and whether they can
// still be used.

import (
	"bufio"
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"time"
)

// tcpConn is a connection with at most one command in flight.
type tcpConn struct {
	net.Conn
	r    *bufio.Reader
	idle time.Time // since when

	probe probe
}

// pool bounds connections. Capacity is taken before the mutex, and the mutex is
// never held over I/O.
type pool struct {
	slots       chan struct{}
	maxIdle     int
	idleTimeout time.Duration

	mu     sync.Mutex
	idle   []*tcpConn // guarded by mu; the one used last is at the end
	closed bool       // guarded by mu
}

func newPool(maxConns, maxIdle int, idleTimeout time.Duration) *pool {
	return &pool{slots: make(chan struct{}, maxConns), maxIdle: maxIdle, idleTimeout: idleTimeout}
}

// acquire waits for the right to have a connection.
func (p *pool) acquire(ctx context.Context, deadline time.Time) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case p.slots <- struct{}{}:
		return nil
	default:
	}
	timer := time.NewTimer(time.Until(deadline))
	defer timer.Stop()
	select {
	case p.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return context.DeadlineExceeded
	}
}

func (p *pool) release() { <-p.slots }

// get returns an idle connection that is alive, its deadline set, or nil.
func (p *pool) get(now, deadline time.Time) *tcpConn {
	for {
		conn := p.pop(now)
		if conn == nil || conn.SetDeadline(deadline) == nil && conn.alive(deadline) {
			return conn
		}
		_ = conn.Close()
	}
}

// pop prefers the connection used last: the others grow old and are closed, so
// the pool shrinks when there is less to do.
func (p *pool) pop(now time.Time) *tcpConn {
	p.mu.Lock()
	old := p.expireLocked(now)
	var conn *tcpConn
	if n := len(p.idle); n > 0 {
		conn, p.idle = p.idle[n-1], p.idle[:n-1]
	}
	p.mu.Unlock()
	closeAll(old)
	return conn
}

// put keeps a connection for the next command, or closes it.
func (p *pool) put(conn *tcpConn) {
	conn.idle = time.Now()
	p.mu.Lock()
	old := p.expireLocked(conn.idle)
	if p.closed || len(p.idle) >= p.maxIdle {
		old = append(old, conn)
	} else {
		p.idle = append(p.idle, conn)
	}
	p.mu.Unlock()
	closeAll(old)
}

// expireLocked takes out what has been idle for too long. Nothing runs in the
// background for that; an unused transport keeps at most MaxIdle connections.
func (p *pool) expireLocked(now time.Time) []*tcpConn {
	n := 0
	for n < len(p.idle) && now.Sub(p.idle[n].idle) > p.idleTimeout {
		n++
	}
	var old []*tcpConn
	if n > 0 {
		old = append(old, p.idle[:n]...)
		p.idle = append(p.idle[:0], p.idle[n:]...)
	}
	return old
}

func (p *pool) close() {
	p.mu.Lock()
	old := p.idle
	p.idle, p.closed = nil, true
	p.mu.Unlock()
	closeAll(old)
}

func closeAll(conns []*tcpConn) {
	for _, conn := range conns {
		_ = conn.Close()
	}
}

// aliveByReading is for connections that are no sockets: a read that is given a
// moment ends by the deadline if nothing happened.
func aliveByReading(conn net.Conn, deadline time.Time) bool {
	if conn.SetReadDeadline(time.Now().Add(time.Millisecond)) != nil {
		return false
	}
	var b [1]byte
	n, err := conn.Read(b[:])
	return n == 0 && errors.Is(err, os.ErrDeadlineExceeded) && conn.SetReadDeadline(deadline) == nil
}
