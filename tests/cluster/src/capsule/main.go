// Command capsule holds everything that belongs to one test cluster: it is process 1 of a process, mount, network and IPC
// namespace of their own. End it, and the kernel ends every process of the cluster and drops its mounts and its
// network with it; nothing of them was ever visible on the host.
//
// The one way in from the host is a TCP port on the host's loopback, whose connections capsule passes on to the API server
// inside. It reaps the orphans of its namespace, as process 1 must.
//
//	capsule -listen 127.0.0.1:0 -dial 127.0.0.1:6443 -pid FILE -address FILE
//
// returns as soon as the namespaces are ready; the process whose id is in -pid goes on, and -address holds the host's address.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"syscall"
)

// Files that the outer process hands to the inner one, by number.
const (
	listenerFD = 3
	readyFD    = 4
)

const insideFlag = "inside"

func main() {
	log.SetFlags(0)
	log.SetPrefix("capsule: ")
	if len(os.Args) == 3 && os.Args[1] == insideFlag {
		log.Fatal(inside(os.Args[2]))
	}
	listen := flag.String("listen", "127.0.0.1:0", "address on the host; port 0 takes a free one")
	dial := flag.String("dial", "", "address inside the capsule to pass connections on to")
	pidFile := flag.String("pid", "", "file that gets the id of the process to end")
	addressFile := flag.String("address", "", "file that gets the address on the host")
	flag.Parse()
	if err := outside(*listen, *dial, *pidFile, *addressFile); err != nil {
		log.Fatal(err)
	}
}

// outside opens the port in the host's network, starts the inner process with it, and waits until that one is ready.
func outside(listen, dial, pidFile, addressFile string) error {
	listener, err := net.Listen("tcp4", listen)
	if err != nil {
		return err
	}
	listenerFile, err := listener.(*net.TCPListener).File()
	if err != nil {
		return err
	}
	ready, readyWriter, err := os.Pipe()
	if err != nil {
		return err
	}
	command := exec.Command("/proc/self/exe", insideFlag, dial)
	command.Args[0] = os.Args[0]
	command.Dir = "/"
	command.Stdout, command.Stderr = os.Stdout, os.Stderr
	command.ExtraFiles = []*os.File{listenerFD - 3: listenerFile, readyFD - 3: readyWriter}
	command.SysProcAttr = &syscall.SysProcAttr{
		Setsid:     true,
		Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS | syscall.CLONE_NEWNET | syscall.CLONE_NEWIPC,
	}
	if err := command.Start(); err != nil {
		return fmt.Errorf("new namespaces (root is needed): %w", err)
	}
	readyWriter.Close()
	if said, _ := io.ReadAll(ready); string(said) != "ready" {
		return errors.New("the inner process ended before it was ready")
	}
	if err := os.WriteFile(addressFile, []byte(listener.Addr().String()+"\n"), 0o644); err != nil {
		return err
	}
	return os.WriteFile(pidFile, []byte(strconv.Itoa(command.Process.Pid)+"\n"), 0o644)
}

// inside is process 1 of the capsule. It returns only when something failed.
func inside(dial string) error {
	if err := furnish(); err != nil {
		return err
	}
	go reap()
	listener, err := net.FileListener(os.NewFile(listenerFD, "listener"))
	if err != nil {
		return err
	}
	ready := os.NewFile(readyFD, "ready")
	if _, err := ready.WriteString("ready"); err != nil {
		return err
	}
	ready.Close()
	for {
		connection, err := listener.Accept()
		if err != nil {
			return err
		}
		go forward(connection.(*net.TCPConn), dial)
	}
}

// furnish gives the new namespaces what programs expect: /proc of these processes, an own /run and /dev/shm (so that no
// program leaves or finds state on the host), and a loopback interface that is up.
func furnish() error {
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	for _, m := range []struct{ kind, target, options string }{
		{"proc", "/proc", ""},
		{"tmpfs", "/run", "mode=755"},
		{"tmpfs", "/dev/shm", "mode=1777"},
	} {
		if err := syscall.Mount(m.kind, m.target, m.kind, syscall.MS_NOSUID|syscall.MS_NODEV, m.options); err != nil {
			return fmt.Errorf("mount %s: %w", m.target, err)
		}
	}
	if out, err := exec.Command("ip", "link", "set", "lo", "up").CombinedOutput(); err != nil {
		return fmt.Errorf("loopback: %w: %s", err, out)
	}
	return nil
}

// reap collects every process that ends without a parent.
func reap() {
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGCHLD)
	for range ended {
		for {
			if pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil); pid <= 0 || err != nil && !errors.Is(err, syscall.EINTR) {
				break
			}
		}
	}
}

// forward joins a connection from the host with one to the address inside, in both directions.
func forward(outer *net.TCPConn, address string) {
	defer outer.Close()
	connection, err := net.Dial("tcp4", address)
	if err != nil {
		return // nothing answers inside yet: the caller sees a closed connection and asks again
	}
	inner := connection.(*net.TCPConn)
	defer inner.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(inner, outer)
		_ = inner.CloseWrite()
	}()
	_, _ = io.Copy(outer, inner)
	_ = outer.CloseWrite()
	<-done
}
