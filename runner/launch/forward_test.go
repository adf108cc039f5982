package main

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
)

func freePort(t testing.TB) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port
}

func TestTheCommandReachesAServerOnItsOwnMachine(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "path "+r.URL.Path) }))
	defer server.Close()
	port := freePort(t)
	words := fmt.Sprintf("run --forward %d=%s", port, server.Listener.Addr())
	p := start(t, words, fmt.Sprintf("curl -s http://127.0.0.1:%[1]d/a http://localhost:%[1]d/b http://[::1]:%[1]d/c", port))
	if status := p.end(); status != 0 || p.stdout.String() != "path /apath /bpath /c" {
		t.Errorf("status %d: %s%s", status, p.stdout.String(), p.stderr.String())
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
