package oxd

// TCPTransport: commands over the socket of oxd-server.

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"
)

// TCPTransport speaks to the socket of oxd-server. Zero fields mean defaults;
// fields must not be changed, nor the struct copied, after first use. It is safe
// for concurrent use.
//
// Connections are kept and reused, each for one command at a time, because the
// server drops what comes while it is busy. A connection is looked at before it
// is used again, and given up after anything but a clean answer, also after
// internal_error, after which the server hangs up.
type TCPTransport struct {
	// Addr is host:port. Default 127.0.0.1:8099. The server as shipped listens on
	// IPv4 only, so "localhost" is tried there first.
	Addr string
	// DialContext makes connections. Default: a net.Dialer.
	DialContext func(ctx context.Context, network, addr string) (net.Conn, error)
	// MaxConns bounds connections, and commands at the same time; more of them
	// wait. A command takes as long as the provider behind it. Default 64.
	MaxConns int
	// MaxIdle bounds the connections kept without use. Default: MaxConns.
	MaxIdle int
	// IdleTimeout is how long they are kept. Default 60 s.
	IdleTimeout time.Duration
	// Timeout bounds each command, waiting and dialling included. Default 10 s.
	Timeout time.Duration

	gate gate
	once sync.Once
	pool *pool
}

func (t *TCPTransport) check() error {
	if t == nil {
		return errors.New("oxd: no transport")
	}
	if t.MaxConns < 0 || t.MaxIdle < 0 || t.IdleTimeout < 0 || t.Timeout < 0 {
		return errors.New("oxd: negative limit in TCPTransport")
	}
	return nil
}

func (t *TCPTransport) init() {
	conns := cmp.Or(t.MaxConns, 64)
	t.pool = newPool(conns, cmp.Or(t.MaxIdle, conns), cmp.Or(t.IdleTimeout, time.Minute))
}

// RoundTrip sends one command and reads its answer.
func (t *TCPTransport) RoundTrip(ctx context.Context, req *Request) (*Response, error) {
	if err := t.check(); err != nil {
		return nil, err
	}
	frame, err := newFrame(req)
	if err != nil {
		return nil, err
	}
	if err := t.gate.enter(); err != nil {
		return nil, err
	}
	defer t.gate.leave()
	t.once.Do(t.init)
	// A deadline of the connection costs less than a context with one.
	now := time.Now()
	deadline := now.Add(cmp.Or(t.Timeout, defaultTimeout))
	if sooner, ok := ctx.Deadline(); ok && sooner.Before(deadline) {
		deadline = sooner
	}
	if err := t.pool.acquire(ctx, deadline); err != nil {
		return nil, &TransportError{Command: req.Command, Err: err}
	}
	defer t.pool.release()
	if conn := t.pool.get(now, deadline); conn != nil {
		resp, err := t.talk(ctx, req.Command, conn, frame)
		// The server may have closed it in the very moment of writing; then, and only then, a
		// repeatable command gets a second chance.
		if err == nil || !req.Repeatable || !errors.Is(err, errDied) || ctx.Err() != nil {
			return resp, err
		}
	}
	return t.fresh(ctx, deadline, req.Command, frame)
}

// fresh makes a connection for the frame.
func (t *TCPTransport) fresh(ctx context.Context, deadline time.Time, command string, frame []byte) (*Response, error) {
	dialing, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	conn, err := t.dial(dialing)
	if err != nil {
		return nil, &TransportError{Command: command, Err: contextual(dialing, err)}
	}
	if err := conn.SetDeadline(deadline); err != nil {
		_ = conn.Close()
		return nil, &TransportError{Command: command, Err: err}
	}
	return t.talk(ctx, command, &tcpConn{Conn: conn, r: bufio.NewReader(conn)}, frame)
}

// errDied marks a connection that ended before one byte of an answer.
var errDied = errors.New("connection ended")

// died carries errDied beside the cause without showing in its text.
type died struct{ error }

func (d died) Unwrap() error        { return d.error }
func (d died) Is(target error) bool { return target == errDied }

// talk writes a frame and reads one within the deadline of the connection, which is kept if both
// went well.
func (t *TCPTransport) talk(ctx context.Context, command string, conn *tcpConn, frame []byte) (*Response, error) {
	undisturbed := true
	var stop func() bool
	if ctx.Done() != nil { // a connection whose context has ended is not kept
		stop = context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	}
	resp, sent, err := converse(conn, frame)
	if stop != nil {
		undisturbed = stop()
	}
	if err != nil {
		_ = conn.Close()
		return nil, &TransportError{Command: command, Sent: sent, Err: contextual(ctx, err)}
	}
	if undisturbed && conn.r.Buffered() == 0 && !isInternalError(resp) {
		t.pool.put(conn)
	} else {
		_ = conn.Close()
	}
	return resp, nil
}

// converse is one command and its answer, in one write.
func converse(conn *tcpConn, frame []byte) (resp *Response, sent bool, err error) {
	if n, err := conn.Write(frame); err != nil {
		return nil, n > 0, markDied(err)
	}
	msg, started, err := readFrame(conn.r)
	if err != nil && !started {
		err = markDied(err)
	}
	if err != nil {
		return nil, true, err
	}
	resp, err = decodeEnvelope(msg)
	return resp, true, err
}

// markDied marks every failure of the connection but running out of time.
func markDied(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	return died{err}
}

// contextual names the context as the cause where it is one: the deadline of the
// connection is only its messenger.
func contextual(ctx context.Context, err error) error {
	cause := ctx.Err()
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return cmp.Or(cause, context.DeadlineExceeded)
	case cause == nil || errors.Is(err, cause):
		return err
	}
	return fmt.Errorf("%w: %w", cause, err)
}

func isInternalError(resp *Response) bool {
	var o object
	return resp.Status == statusError && (o.UnmarshalJSON(resp.Data) != nil || Code(o.text("error")) == CodeInternalError)
}

func (t *TCPTransport) dial(ctx context.Context) (net.Conn, error) {
	dial := t.DialContext
	if dial == nil {
		dial = (&net.Dialer{}).DialContext
	}
	addr := cmp.Or(t.Addr, "127.0.0.1:8099")
	host, port, err := net.SplitHostPort(addr)
	if err != nil || host != "localhost" {
		return dial(ctx, "tcp", addr)
	}
	conn, err := dial(ctx, "tcp", net.JoinHostPort("127.0.0.1", port))
	if err == nil || ctx.Err() != nil {
		return conn, err
	}
	conn, err6 := dial(ctx, "tcp", net.JoinHostPort("::1", port))
	if err6 != nil {
		return nil, fmt.Errorf("%w; %w", err, err6)
	}
	return conn, nil
}

// Close waits for commands in progress and closes the idle connections. Later
// commands return ErrClosed.
func (t *TCPTransport) Close() error {
	t.gate.close()
	t.once.Do(t.init)
	t.pool.close()
	return nil
}
