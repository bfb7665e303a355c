package main

// An oxd that answers one thing, and the fastest way there can be to talk to it.

import (
	"bufio"
	"errors"
	"io"
	"net"
	"strconv"
	"sync"
)

const granted = `{"status":"ok","data":{"access":"granted"}}`

// responder answers every command with granted. It keeps the first frame it is sent, for others to
// send the same.
type responder struct {
	listener net.Listener
	first    chan []byte
	answer   []byte
	serving  sync.WaitGroup

	mu    sync.Mutex // guards conns
	conns map[net.Conn]bool
}

func newResponder() (*responder, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r := &responder{listener: l, first: make(chan []byte, 1), answer: frame(granted), conns: map[net.Conn]bool{}}
	r.serving.Go(r.accept)
	return r, nil
}

// frame puts the length in front, in four digits.
func frame(message string) []byte {
	return []byte(strconv.Itoa(10000 + len(message))[1:] + message)
}

func (r *responder) addr() string { return r.listener.Addr().String() }

func (r *responder) accept() {
	for {
		conn, err := r.listener.Accept()
		if err != nil {
			return
		}
		r.mu.Lock()
		r.conns[conn] = true
		r.mu.Unlock()
		r.serving.Go(func() {
			r.serve(conn)
			_ = conn.Close()
			r.mu.Lock()
			delete(r.conns, conn)
			r.mu.Unlock()
		})
	}
}

func (r *responder) serve(conn net.Conn) {
	in := bufio.NewReader(conn)
	for {
		message, err := readFrame(in)
		if err != nil {
			return
		}
		select {
		case r.first <- message:
		default:
		}
		if _, err := conn.Write(r.answer); err != nil {
			return
		}
	}
}

var errNoFrame = errors.New("not a frame")

// readFrame reads a message and its length of ASCII text.
func readFrame(in *bufio.Reader) ([]byte, error) {
	prefix, err := in.Peek(4)
	if err != nil {
		return nil, err
	}
	n, err := strconv.Atoi(string(prefix))
	if err != nil || n < 1 {
		return nil, errNoFrame
	}
	message := make([]byte, 4+n)
	_, err = io.ReadFull(in, message)
	return message, err
}

// close ends everything. Nobody must be dialling any more.
func (r *responder) close() {
	_ = r.listener.Close()
	r.mu.Lock()
	for c := range r.conns {
		_ = c.Close()
	}
	r.mu.Unlock()
	r.serving.Wait()
}

// pingPong returns one worker for each connection, which stays open, and what ends them.
func (r *responder) pingPong(conns int, request []byte) (workers []func() error, end func(), err error) {
	var open []net.Conn
	end = func() {
		for _, c := range open {
			_ = c.Close()
		}
	}
	for range conns {
		c, err := net.Dial("tcp", r.addr())
		if err != nil {
			end()
			return nil, nil, err
		}
		open = append(open, c)
		answer := make([]byte, len(r.answer))
		workers = append(workers, func() error { return exchange(c, request, answer) })
	}
	return workers, end, nil
}

func exchange(c net.Conn, request, answer []byte) error {
	if _, err := c.Write(request); err != nil {
		return err
	}
	_, err := io.ReadFull(c, answer)
	return err
}
