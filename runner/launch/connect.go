package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"time"
)

const (
	// The first attempts to connect are given up sooner than TCP would send its first packet again (after 1 s): while network policies
	// and addresses of new pods spread over the nodes, packets are dropped.
	firstConnectTimeout = 250 * time.Millisecond
	connectTimeout      = time.Second
	// Every attempt of every gate would otherwise be several DNS queries.
	resolvedFor = time.Second
)

// connector opens TCP connections to one address for one probe. Not for concurrent use.
type connector struct {
	host, port string
	lookup     func(ctx context.Context, host string) ([]string, error)
	timeout    time.Duration
	addresses  []string
	resolved   time.Time
}

func newConnector(address string) *connector {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		panic(err) // it was put together with net.JoinHostPort
	}
	return &connector{host: host, port: port, lookup: net.DefaultResolver.LookupHost, timeout: firstConnectTimeout}
}

func (c *connector) address() string { return net.JoinHostPort(c.host, c.port) }

// nothingHeardError is that nobody, not even the kernel of a pod, showed a sign of life.
type nothingHeardError struct {
	err    error
	silent bool // the name has an address, and the address answers nothing; otherwise the name has none
}

func (e nothingHeardError) Error() string { return e.err.Error() }
func (e nothingHeardError) Unwrap() error { return e.err }

// open connects. The connection keeps to the deadline of ctx.
func (c *connector) open(ctx context.Context) (net.Conn, error) {
	addresses, err := c.resolve(ctx)
	if err != nil {
		return nil, err
	}
	dialer := net.Dialer{Timeout: c.timeout}
	for _, address := range addresses {
		var conn net.Conn
		conn, err = dialer.DialContext(ctx, "tcp", net.JoinHostPort(address, c.port))
		if err == nil {
			if deadline, has := ctx.Deadline(); has {
				err = conn.SetDeadline(deadline)
			}
			return conn, err
		}
	}
	switch {
	case isTimeout(err):
		err = nothingHeardError{fmt.Errorf("no connection within %v", c.timeout), true}
		c.timeout = min(2*c.timeout, connectTimeout)
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		err = nothingHeardError{err, true}
	}
	return nil, err
}

// resolve returns the host's addresses: those known, if they are young enough or DNS has no answer now.
func (c *connector) resolve(ctx context.Context) ([]string, error) {
	if len(c.addresses) > 0 && time.Since(c.resolved) < resolvedFor {
		return c.addresses, nil
	}
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	addresses, err := c.lookup(ctx, c.host)
	if err != nil || len(addresses) == 0 {
		if len(c.addresses) > 0 {
			return c.addresses, nil
		}
		return nil, nothingHeardError{fmt.Errorf("the name %s does not resolve (%s)", c.host, lookupError(err)), false}
	}
	c.addresses, c.resolved = addresses, time.Now()
	return addresses, nil
}

func lookupError(err error) string {
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		if dns.IsNotFound {
			return "no such host"
		}
		if dns.IsTimeout {
			return "DNS does not answer"
		}
		return dns.Err
	}
	if err == nil {
		return "no address"
	}
	return err.Error()
}

func isTimeout(err error) bool {
	if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) {
		return true
	}
	network, ok := errors.AsType[net.Error](err)
	return ok && network.Timeout()
}

// errorLimit bounds what is kept of an answer that a stranger wrote.
const errorLimit = 300

// plain is an error of a probe in one short line for people.
func plain(err error, limit time.Duration) string {
	for _, errno := range []syscall.Errno{syscall.ECONNREFUSED, syscall.ECONNRESET, syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.EPIPE} {
		if errors.Is(err, errno) {
			return errno.Error()
		}
	}
	switch {
	case isTimeout(err):
		return fmt.Sprintf("no answer within %v", limit)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "closed the connection without an answer"
	}
	text := strings.Join(strings.Fields(err.Error()), " ")
	if len(text) > errorLimit {
		text = text[:errorLimit] + "..."
	}
	return strings.ToValidUTF8(text, "?")
}
