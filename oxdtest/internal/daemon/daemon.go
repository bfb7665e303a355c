// Package daemon is Gluu's oxd as a process: its three listeners, what a test makes go wrong in
// front of the commands, and the record of what was received.
package daemon

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"strings"
	"sync"
	"sync/atomic"

	"example.com/oxdauth/internal/oxdwire"
	"example.com/oxdauth/oxdtest/internal/commands"
	"example.com/oxdauth/oxdtest/internal/serving"
)

// Daemon is an oxd. Restart and Stop must not be called concurrently; everything else is safe for
// concurrent use.
type Daemon struct {
	cfg    commands.Config
	tls    *tls.Config
	engine *commands.Engine

	log      callLog
	faults   faults
	scripts  sync.Map // command -> script
	overlaps atomic.Int64
	running  *instance // nil when stopped
}

// instance is oxd between Restart and Stop.
type instance struct {
	socket net.Listener
	https  *serving.Server
	rest   *serving.Server
	ctx    context.Context
	end    context.CancelFunc

	mu    sync.Mutex // guards conns
	conns map[net.Conn]bool
	wait  sync.WaitGroup
}

// New returns a Daemon that does not run. It trusts the pool at providers.
func New(cfg commands.Config, server *tls.Config, pool *x509.CertPool) *Daemon {
	return &Daemon{
		cfg: cfg, tls: server, engine: commands.New(cfg, pool), faults: faults{cleared: make(chan struct{})},
	}
}

// Addrs are the addresses of the listeners. An empty one stands for a free port on 127.0.0.1.
type Addrs struct{ Socket, HTTPS, REST string }

// Restart starts the daemon at the addresses, and stops it before if it runs: sites are kept,
// states and nonces forgotten. It returns the addresses in use.
func (d *Daemon) Restart(at Addrs) (Addrs, error) {
	d.Stop()
	d.engine.Forget()
	var listeners []net.Listener
	for _, addr := range []string{at.HTTPS, at.REST, at.Socket} {
		l, err := serving.Listen(addr)
		if err != nil {
			for _, l := range listeners {
				_ = l.Close()
			}
			return Addrs{}, err
		}
		listeners = append(listeners, l)
	}
	https, rest := listeners[0], listeners[1]
	i := &instance{socket: listeners[2], conns: map[net.Conn]bool{}}
	i.ctx, i.end = context.WithCancel(context.Background())
	i.https = serving.Serve(tls.NewListener(https, d.tls), d.extension(i.ctx))
	i.rest = serving.Serve(tls.NewListener(rest, d.tls), d.rest(i.ctx))
	d.running = i
	i.wait.Go(func() { d.accept(i) })
	return Addrs{i.socket.Addr().String(), https.Addr().String(), rest.Addr().String()}, nil
}

// Stop ends the daemon with everything in progress, and waits for the end of it.
func (d *Daemon) Stop() {
	i := d.running
	if i == nil {
		return
	}
	i.end()
	_ = i.socket.Close()
	i.mu.Lock()
	for conn := range i.conns {
		_ = conn.Close()
	}
	i.mu.Unlock()
	i.https.End()
	i.rest.End()
	i.wait.Wait()
	d.running = nil
}

// Close stops the daemon and closes the idle connections to providers.
func (d *Daemon) Close() {
	d.Stop()
	d.engine.CloseIdleConnections()
}

// Overlaps returns how often something arrived on a connection to the socket while the command
// before it had no answer yet.
func (d *Daemon) Overlaps() int { return int(d.overlaps.Load()) }

func (d *Daemon) accept(i *instance) {
	for {
		conn, err := i.socket.Accept()
		if err != nil {
			return
		}
		i.mu.Lock()
		i.conns[conn] = true
		i.mu.Unlock()
		i.wait.Go(func() {
			d.serveSocket(i.ctx, conn)
			i.mu.Lock()
			delete(i.conns, conn)
			i.mu.Unlock()
		})
		select {
		case <-i.ctx.Done(): // Stop has gone through conns before this one was there
			_ = conn.Close()
		default:
		}
	}
}

// serveSocket is one connection's life: read, run, write, strictly in this order.
func (d *Daemon) serveSocket(ctx context.Context, conn net.Conn) {
	defer conn.Close()
	reader := oxdwire.NewReader(conn)
	for {
		body, err := reader.Next()
		if err != nil {
			return
		}
		surplus := reader.Discard() // oxd throws away what it has read beyond the frame
		answer := answer{body: oxdwire.InternalError}
		if command, params, ok := oxdwire.ParseCommand(body); ok {
			answer = d.dispatch(ctx, overTCP, command, params)
		} else {
			d.log.add(Call{Over: overTCP, Error: oxdwire.CodeInternalError})
		}
		if strings.TrimSpace(surplus) != "" || pending(conn) {
			d.overlaps.Add(1)
		}
		if answer.cut {
			return
		}
		out, ok := answer.frame()
		if !ok {
			return
		}
		if _, err := conn.Write(out); err != nil || answer.body == oxdwire.InternalError {
			return
		}
	}
}
