// Package serving runs servers on loopback: their certificates, and an end that can be waited for.
package serving

import (
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"time"
)

// Listen listens at the address, "" for a free port on 127.0.0.1.
func Listen(addr string) (net.Listener, error) {
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	return net.Listen("tcp", addr)
}

// Server serves HTTP until End, which waits for the handlers.
type Server struct {
	server  http.Server
	serving sync.WaitGroup
	inside  sync.RWMutex // held for reading by every handler; guards ended
	ended   bool
}

// Serve starts a Server on the listener.
func Serve(l net.Listener, h http.Handler) *Server {
	s := &Server{}
	s.server = http.Server{
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          log.New(io.Discard, "", 0),
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s.inside.RLock()
			defer s.inside.RUnlock()
			if !s.ended {
				h.ServeHTTP(w, r)
			}
		}),
	}
	s.serving.Go(func() { _ = s.server.Serve(l) }) // always ErrServerClosed
	return s
}

// End closes all connections, which ends the contexts of the requests, and waits until every
// handler has returned.
func (s *Server) End() {
	_ = s.server.Close()
	s.serving.Wait()
	s.inside.Lock()
	defer s.inside.Unlock()
	s.ended = true
}
