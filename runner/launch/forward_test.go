package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

func freePort(t testing.TB) int {
	t.Helper()
	_, text, _ := net.SplitHostPort(closedPort(t))
	port, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// forwardTo forwards a free port to an address, and returns the address that clients use.
func forwardTo(t testing.TB, address string) (string, *forwarder) {
	t.Helper()
	port := freePort(t)
	f, err := startForwards([]forward{{port, address}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.close)
	return fmt.Sprintf("127.0.0.1:%d", port), f
}

// tcpServer serves each connection by a function.
func tcpServer(t testing.TB, serve func(*net.TCPConn)) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go serve(conn.(*net.TCPConn))
		}
	}()
	return listener.Addr().String()
}

func connectTo(t testing.TB, address string) *net.TCPConn {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return conn.(*net.TCPConn)
}

func echo(conn *net.TCPConn) {
	_, _ = io.Copy(conn, conn)
	conn.Close()
}

func TestTheCommandReachesAServerOnItsOwnMachine(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "path "+r.URL.Path) }))
	defer server.Close()
	port := freePort(t)
	folder := t.TempDir()
	p := start(t, fmt.Sprintf("run --forward %d=%s", port, server.Listener.Addr()), fmt.Sprintf("touch %[1]s/started; while ! [ -e %[1]s/done ]; do sleep 0.01; done", folder))
	until(t, "the command's start", func() bool { return exists(filepath.Join(folder, "started")) })
	for _, host := range []string{"127.0.0.1", "localhost", "[::1]"} {
		response, err := http.Get(fmt.Sprintf("http://%s:%d/a", host, port))
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(response.Body)
		response.Body.Close()
		if string(body) != "path /a" {
			t.Errorf("%s: %s", host, body)
		}
	}
	write(t, filepath.Join(folder, "done"), "", 0o644)
	if status := p.end(); status != 0 {
		t.Errorf("status %d: %s", status, p.stderr.String())
	}
	if _, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port)); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("after the command's end: %v", err)
	}
}

func TestAPortThatIsTakenCanNotBeForwarded(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	termination := filepath.Join(t.TempDir(), "termination")
	write(t, termination, "", 0o644)
	port := listener.Addr().(*net.TCPAddr).Port
	p := start(t, fmt.Sprintf("run --termination-log %s --forward %d=db:5432", termination, port), "echo started")
	if status := p.end(); status != exitIO || p.stdout.String() != "" {
		t.Errorf("status %d: %s", status, p.stderr.String())
	}
	said := readTermination(t, termination)
	if said.Code != codeForwardPortTaken || !strings.Contains(said.Message, fmt.Sprintf("port %d", port)) || !strings.Contains(said.Message, "db:5432") {
		t.Errorf("%+v", said)
	}
}

func TestForwardFlags(t *testing.T) {
	for _, value := range []string{"", "1", "0=a:1", "65536=a:1", "x=a:1", "1=a", "1=a:0", "1=:5", "1=a:b", "1=::1:5"} {
		var all []forward
		if err := forwardFlag(&all)(value); err == nil {
			t.Errorf("%q: %v", value, all)
		}
	}
	var all []forward
	read := forwardFlag(&all)
	if err := errors.Join(read("1=a:2"), read("3=[::1]:4")); err != nil || len(all) != 2 || all[1].address != "[::1]:4" {
		t.Errorf("%v, %v", all, err)
	}
	if err := read("1=b:2"); err == nil {
		t.Error("a port twice")
	}
}

func TestEachDirectionEndsByItself(t *testing.T) {
	address, _ := forwardTo(t, tcpServer(t, func(conn *net.TCPConn) {
		all, _ := io.ReadAll(conn)
		fmt.Fprintf(conn, "%d bytes", len(all))
		conn.Close()
	}))
	conn := connectTo(t, address)
	content := bytes.Repeat([]byte("x"), 3<<20)
	if _, err := conn.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := conn.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if answer, err := io.ReadAll(conn); err != nil || string(answer) != fmt.Sprintf("%d bytes", len(content)) {
		t.Errorf("%q, %v", answer, err)
	}
}

func TestTheServerMayEndFirst(t *testing.T) {
	got := make(chan string, 1)
	address, _ := forwardTo(t, tcpServer(t, func(conn *net.TCPConn) {
		fmt.Fprint(conn, "hello")
		_ = conn.CloseWrite()
		all, _ := io.ReadAll(conn)
		got <- string(all)
		conn.Close()
	}))
	conn := connectTo(t, address)
	if hello, err := io.ReadAll(conn); err != nil || string(hello) != "hello" {
		t.Errorf("%q, %v", hello, err)
	}
	fmt.Fprint(conn, "bye")
	conn.Close()
	if bye := <-got; bye != "bye" {
		t.Errorf("%q", bye)
	}
}

func TestAServerThatBreaksOffIsNotOneThatEnds(t *testing.T) {
	address, _ := forwardTo(t, tcpServer(t, func(conn *net.TCPConn) {
		_, _ = conn.Read(make([]byte, 1))
		_ = conn.SetLinger(0)
		conn.Close()
	}))
	conn := connectTo(t, address)
	fmt.Fprint(conn, "x")
	if n, err := conn.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("%d bytes, %v", n, err)
	}
}

func TestAClientThatBreaksOffIsNotOneThatEnds(t *testing.T) {
	ended := make(chan error, 1)
	address, _ := forwardTo(t, tcpServer(t, func(conn *net.TCPConn) {
		fmt.Fprint(conn, "x")
		_, err := io.ReadAll(conn)
		ended <- err
		conn.Close()
	}))
	conn := connectTo(t, address)
	if _, err := conn.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	_ = conn.SetLinger(0)
	conn.Close()
	if err := <-ended; !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("%v", err)
	}
}

func TestAPeerThatIsNotThere(t *testing.T) {
	folder := t.TempDir()
	port, nobody := freePort(t), freePort(t)
	p := start(t, fmt.Sprintf("run --forward %d=127.0.0.1:%d", port, nobody), fmt.Sprintf("touch %[1]s/started; while ! [ -e %[1]s/done ]; do sleep 0.01; done", folder))
	until(t, "the command's start", func() bool { return exists(filepath.Join(folder, "started")) })
	for range 20 {
		conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			_, err = conn.Read(make([]byte, 1))
			conn.Close()
		}
		if !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("%v", err)
		}
	}
	write(t, filepath.Join(folder, "done"), "", 0o644)
	p.end()
	want := fmt.Sprintf("seatrial: 127.0.0.1:%d: no connection to 127.0.0.1:%d: connection refused\n", port, nobody)
	if found := p.stderr.String(); found != want {
		t.Errorf("%q, want %q", found, want)
	}
}

func openDescriptors(t *testing.T, pid int) int {
	t.Helper()
	found, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		t.Fatal(err)
	}
	return len(found)
}

func TestManyConnectionsLeaveNothingBehind(t *testing.T) {
	folder, port := t.TempDir(), freePort(t)
	p := start(t, fmt.Sprintf("run --forward %d=%s", port, tcpServer(t, echo)), fmt.Sprintf("touch %[1]s/started; while ! [ -e %[1]s/done ]; do sleep 0.01; done", folder))
	until(t, "the command's start", func() bool { return exists(filepath.Join(folder, "started")) })
	address := fmt.Sprintf("127.0.0.1:%d", port)
	exchange := func(i int) {
		conn := connectTo(t, address)
		defer conn.Close()
		content := bytes.Repeat([]byte{byte(i)}, 50_000)
		go func() {
			_, _ = conn.Write(content)
			_ = conn.CloseWrite()
		}()
		if answer, err := io.ReadAll(conn); err != nil || !bytes.Equal(answer, content) {
			t.Errorf("%d bytes, %v", len(answer), err)
		}
	}
	exchange(0)
	before := openDescriptors(t, p.Process.Pid)
	var clients sync.WaitGroup
	for i := range 100 {
		clients.Go(func() { exchange(i) })
	}
	clients.Wait()
	until(t, "the end of all connections", func() bool { return openDescriptors(t, p.Process.Pid) <= before })

	idle := connectTo(t, address)
	fmt.Fprint(idle, "x")
	if _, err := idle.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(folder, "done"), "", 0o644)
	p.end()
	if n, err := idle.Read(make([]byte, 1)); err == nil {
		t.Errorf("%d bytes after the end", n)
	}
}

func TestHTTPKeepsItsConnection(t *testing.T) {
	peers := map[string]bool{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		peers[r.RemoteAddr] = true
		_, _ = io.Copy(w, r.Body)
	}))
	defer server.Close()
	address, _ := forwardTo(t, server.Listener.Addr().String())
	client := http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	for range 50 {
		response, err := client.Post("http://"+address+"/", "text/plain", strings.NewReader("body"))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil || string(body) != "body" {
			t.Fatalf("%q, %v", body, err)
		}
	}
	if len(peers) != 1 {
		t.Errorf("%d connections", len(peers))
	}
}

func TestAnUpgradedConnection(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, buffered, err := w.(http.Hijacker).Hijack()
		if err != nil || r.Header.Get("Upgrade") != "websocket" {
			t.Errorf("%v, %v", err, r.Header)
			return
		}
		fmt.Fprint(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		_, _ = io.Copy(conn, buffered)
		conn.Close()
	}))
	defer server.Close()
	address, _ := forwardTo(t, server.Listener.Addr().String())
	conn := connectTo(t, address)
	fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	reader := bufio.NewReader(conn)
	response, err := http.ReadResponse(reader, nil)
	if err != nil || response.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("%v, %v", response, err)
	}
	for _, message := range []string{"\x81\x05hello", "\x81\x03bye"} {
		fmt.Fprint(conn, message)
		found := make([]byte, len(message))
		if _, err := io.ReadFull(reader, found); err != nil || string(found) != message {
			t.Errorf("%q, %v", found, err)
		}
	}
}

// gRPC is HTTP/2 without TLS, with trailers.
func TestHTTP2(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trailer", "Grpc-Status")
		fmt.Fprintf(w, "%s ", r.Proto)
		_, _ = io.Copy(w, r.Body)
		w.Header().Set("Grpc-Status", "0")
	}))
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	server.Config.Protocols = &protocols
	server.Start()
	defer server.Close()
	address, _ := forwardTo(t, server.Listener.Addr().String())
	client := http.Client{Transport: &http.Transport{Protocols: &protocols}}
	defer client.CloseIdleConnections()
	var calls sync.WaitGroup
	for i := range 20 {
		calls.Go(func() {
			message := strings.Repeat(fmt.Sprint(i), 10_000)
			response, err := client.Post("http://"+address+"/", "application/grpc", strings.NewReader(message))
			if err != nil {
				t.Error(err)
				return
			}
			defer response.Body.Close()
			body, err := io.ReadAll(response.Body)
			if err != nil || string(body) != "HTTP/2.0 "+message || response.Trailer.Get("Grpc-Status") != "0" {
				t.Errorf("%.30q, %v, %v", body, response.Trailer, err)
			}
		})
	}
	calls.Wait()
}
