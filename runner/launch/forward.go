package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"syscall"
	"time"
)

const (
	forwardConnectTimeout = 5 * time.Second
	forwardLogEvery       = 10 * time.Second
)

// forward is a port of this machine that reaches another address.
type forward struct {
	port    int
	address string
}

// forwardFlag reads PORT=HOST:PORT.
func forwardFlag(all *[]forward) func(string) error {
	var pairs []pair
	read := pairFlag(&pairs, "=", "PORT=HOST:PORT")
	return func(value string) error {
		if err := read(value); err != nil {
			return err
		}
		given := pairs[len(pairs)-1]
		port, err := strconv.ParseUint(given.left, 10, 16)
		host, peer, splitErr := net.SplitHostPort(given.right)
		peerPort, peerErr := strconv.ParseUint(peer, 10, 16)
		if errors.Join(err, splitErr, peerErr) != nil || port == 0 || peerPort == 0 || host == "" {
			return errors.New("not of the form PORT=HOST:PORT")
		}
		for _, other := range *all {
			if other.port == int(port) {
				return fmt.Errorf("the port %d is given twice", port)
			}
		}
		*all = append(*all, forward{int(port), given.right})
		return nil
	}
}

// forwarder serves forwards until it is closed.
type forwarder struct {
	listeners []*net.TCPListener
	ctx       context.Context
	cancel    context.CancelFunc
	serving   sync.WaitGroup

	mutex sync.Mutex
	open  map[*net.TCPConn]bool
}

// startForwards listens on 127.0.0.1 and, where this machine has it, ::1.
func startForwards(forwards []forward) (*forwarder, error) {
	f := &forwarder{open: map[*net.TCPConn]bool{}}
	f.ctx, f.cancel = context.WithCancel(context.Background())
	for _, each := range forwards {
		route := newRoute(each)
		for _, host := range []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback} {
			listener, err := net.ListenTCP("tcp", &net.TCPAddr{IP: host, Port: each.port})
			if host.To4() == nil && (errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, syscall.EAFNOSUPPORT)) {
				continue
			}
			if err != nil {
				f.close()
				return nil, listenFailure(each, err)
			}
			f.listeners = append(f.listeners, listener)
			f.serving.Go(func() { f.serve(listener, route) })
		}
	}
	return f, nil
}

func listenFailure(each forward, err error) error {
	if errors.Is(err, syscall.EADDRINUSE) {
		return failure{exitIO, codeForwardPortTaken, fmt.Sprintf("port %d, to be forwarded to %s, is taken by another process of this pod: forward another port", each.port, each.address)}
	}
	return fmt.Errorf("can't forward port %d to %s: %w", each.port, each.address, err)
}

// close ends all listeners and connections.
func (f *forwarder) close() {
	if f == nil {
		return
	}
	f.cancel()
	for _, listener := range f.listeners {
		listener.Close()
	}
	f.mutex.Lock()
	for conn := range f.open {
		conn.Close()
	}
	f.mutex.Unlock()
	f.serving.Wait()
}

func (f *forwarder) serve(listener *net.TCPListener, route *route) {
	for {
		client, err := listener.AcceptTCP()
		switch {
		case f.ctx.Err() != nil:
			if err == nil {
				client.Close()
			}
			return
		case err != nil: // no descriptors left: some will be free soon
			route.complain(err)
			select {
			case <-time.After(50 * time.Millisecond):
			case <-f.ctx.Done():
				return
			}
		default:
			f.serving.Go(func() { f.connect(client, route) })
		}
	}
}

// connect joins a client with the address it means. If that does not answer, the client's connection is reset at once.
func (f *forwarder) connect(client *net.TCPConn, route *route) {
	if !f.keep(client) {
		return
	}
	defer f.drop(client)
	server, err := route.dial(f.ctx)
	if err != nil {
		if f.ctx.Err() == nil {
			route.complain(err)
		}
		_ = client.SetLinger(0)
		return
	}
	if !f.keep(server) {
		return
	}
	defer f.drop(server)
	join(client, server)
}

func (f *forwarder) keep(conn *net.TCPConn) bool {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	if f.ctx.Err() != nil {
		conn.Close()
		return false
	}
	f.open[conn] = true
	return true
}

func (f *forwarder) drop(conn *net.TCPConn) {
	f.mutex.Lock()
	delete(f.open, conn)
	f.mutex.Unlock()
	conn.Close()
}

// route is how connections to one address are made.
type route struct {
	forward    forward
	host, port string

	mutex      sync.Mutex
	addresses  []string
	resolved   time.Time
	complained time.Time
	unsaid     int // failures since the last line in the log
}

func newRoute(f forward) *route {
	host, port, _ := net.SplitHostPort(f.address) // forwardFlag has checked it
	return &route{forward: f, host: host, port: port}
}

func (r *route) dial(ctx context.Context) (*net.TCPConn, error) {
	addresses, err := r.resolve(ctx)
	if err != nil {
		return nil, err
	}
	dialer := net.Dialer{Timeout: forwardConnectTimeout}
	for _, address := range addresses {
		var conn net.Conn
		if conn, err = dialer.DialContext(ctx, "tcp", net.JoinHostPort(address, r.port)); err == nil {
			return conn.(*net.TCPConn), nil
		}
	}
	r.mutex.Lock()
	r.resolved = time.Time{} // the address may be another one by now
	r.mutex.Unlock()
	return nil, err
}

// resolve asks DNS at most once a second, however many connections there are.
func (r *route) resolve(ctx context.Context) ([]string, error) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if time.Since(r.resolved) < resolvedFor {
		return r.addresses, nil
	}
	ctx, cancel := context.WithTimeout(ctx, forwardConnectTimeout)
	defer cancel()
	addresses, err := net.DefaultResolver.LookupHost(ctx, r.host)
	if err != nil || len(addresses) == 0 {
		return nil, fmt.Errorf("the name %s does not resolve (%s)", r.host, lookupError(err))
	}
	r.addresses, r.resolved = addresses, time.Now()
	return addresses, nil
}

// complain logs why a connection was not forwarded; not each time.
func (r *route) complain(err error) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.unsaid++
	if time.Since(r.complained) < forwardLogEvery {
		return
	}
	times := ""
	if r.unsaid > 1 {
		times = fmt.Sprintf(" (%d times)", r.unsaid)
	}
	logf("127.0.0.1:%d: no connection to %s: %s%s", r.forward.port, r.forward.address, plain(err, forwardConnectTimeout), times)
	r.complained, r.unsaid = time.Now(), 0
}
