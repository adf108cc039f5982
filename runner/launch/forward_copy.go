package main

import (
	"io"
	"net"
	"sync"
	"syscall"
	"time"
)

const (
	forwardBuffer     = 32 << 10
	forwardAbortAfter = time.Second // from an error of one direction to the end of the other
)

// join passes bytes both ways until both sides have sent all they had. The end of one direction is passed on by itself.
func join(a, b *net.TCPConn) {
	var other sync.WaitGroup
	other.Go(func() { pass(a, b) })
	pass(b, a)
	other.Wait()
}

// pass copies in one direction, and hands on how it ended.
func pass(to, from *net.TCPConn) {
	if err := copyBytes(to, from); err == nil {
		_ = to.CloseWrite()
		return
	}
	// A side that broke off must not look like one that ended. What the other still has to send is given a moment.
	deadline := time.Now().Add(forwardAbortAfter)
	for _, conn := range []*net.TCPConn{to, from} {
		_ = conn.SetLinger(0)
		_ = conn.SetDeadline(deadline)
	}
}

var forwardBuffers = sync.Pool{New: func() any { return new([forwardBuffer]byte) }}

// copyBytes copies until the end. A connection that is idle holds no buffer.
//
// Not io.Copy, which splices through two pipes of 1 MiB for each connection: the kernel counts the pipes of a user on the
// whole node, and beyond 64 of them everybody else of that user, the tests included, gets pipes of a page or two.
func copyBytes(to io.Writer, from *net.TCPConn) error {
	raw, err := from.SyscallConn()
	if err != nil {
		return err
	}
	var (
		buffer  *[forwardBuffer]byte
		n       int
		readErr error
	)
	read := func(fd uintptr) bool {
		buffer = forwardBuffers.Get().(*[forwardBuffer]byte)
		for {
			if n, readErr = syscall.Read(int(fd), buffer[:]); readErr != syscall.EINTR {
				break
			}
		}
		if readErr == syscall.EAGAIN {
			forwardBuffers.Put(buffer)
			return false
		}
		return true
	}
	for {
		if err := raw.Read(read); err != nil {
			return err
		}
		if err = readErr; err == nil && n > 0 {
			_, err = to.Write(buffer[:n])
		}
		forwardBuffers.Put(buffer)
		if err != nil || n <= 0 {
			return err
		}
	}
}
