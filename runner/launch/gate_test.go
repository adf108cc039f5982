package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

func readEvents(t *testing.T, path string) (events []event) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(content)) {
		var e event
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		events = append(events, e)
	}
	return events
}

func TestGateOpensWhenTheLastIsReady(t *testing.T) {
	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1) < 5 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer server.Close()
	path := filepath.Join(t.TempDir(), "gates.jsonl")
	journal, err := openJournal(path)
	if err != nil {
		t.Fatal(err)
	}
	slow, _ := parseDependency("slow="+server.URL+"/", environment(nil))
	quick, _ := parseDependency("quick=tcp://"+server.Listener.Addr().String(), environment(nil))
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	g := gate{dependencies: []*dependency{slow, quick}, journal: journal, started: time.Now()}
	if notReady := g.wait(ctx); notReady != nil {
		t.Fatalf("not ready: %v", notReady)
	}
	if asked.Load() != 5 {
		t.Errorf("asked %d times, the fifth was ready", asked.Load())
	}
	var got []string
	events := readEvents(t, path)
	for i, e := range events {
		got = append(got, e.Event+" "+e.Name)
		if i > 0 && e.T < events[i-1].T || (e.Event == "ready" || e.Event == "open") != (e.Seconds != nil) {
			t.Errorf("event %d: %+v", i, e)
		}
	}
	if want := []string{"waiting slow", "waiting quick", "ready quick", "ready slow", "open "}; !slices.Equal(got, want) {
		t.Errorf("events %q, want %q", got, want)
	}
}

func TestGateAsksTheFirstOneMostOften(t *testing.T) {
	var first, second atomic.Int32
	asked := func(count *atomic.Int32, ready func() bool) *dependency {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			count.Add(1)
			if !ready() {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
		}))
		t.Cleanup(server.Close)
		found, _ := parseDependency(fmt.Sprintf("at-%p=%s/", count, server.URL), environment(nil))
		return found
	}
	inFront := asked(&first, func() bool { return first.Load() > 20 })
	behind := asked(&second, func() bool { return first.Load() > 20 })
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	g := gate{dependencies: []*dependency{inFront, behind}, started: time.Now()}
	if notReady := g.wait(ctx); notReady != nil {
		t.Fatalf("not ready: %v", notReady)
	}
	if second.Load() > first.Load()/2 {
		t.Errorf("the one behind was asked %d times, the one in front %d times", second.Load(), first.Load())
	}
}

func TestGateNamesWhatIsNotReady(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }))
	defer server.Close()
	broken, _ := parseDependency("api="+server.URL+"/ready?deep=1", environment(nil))
	hangs, _ := parseDependency("hangs=redis://"+serve(t, func(conn net.Conn) { io.Copy(io.Discard, conn) }), environment(nil))
	ready, _ := parseDependency("tcp=tcp://"+server.Listener.Addr().String(), environment(nil))
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	g := gate{dependencies: []*dependency{broken, hangs, ready}, started: time.Now()}
	want := fmt.Sprintf("api (%s/ready?deep=1: HTTP 503), hangs (%s: no answer)", server.URL, hangs.target)
	if got := joined(g.wait(ctx)); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestLostNamesOnlyWhatIsGone(t *testing.T) {
	here, _ := parseDependency("here=tcp://"+serve(t, func(net.Conn) {}), environment(nil))
	gone, _ := parseDependency("gone=tcp://"+closedPort(t), environment(nil))
	if got := lost([]*dependency{here, gone}); len(got) != 1 || got[0].Name != "gone" || got[0].Error != "connection refused" {
		t.Errorf("lost: %+v", got)
	}
	if got := lost(nil); got == nil || len(got) != 0 {
		t.Errorf("without dependencies: %#v", got)
	}
}

func TestConnectorKeepsWhatDNSSaidLast(t *testing.T) {
	_, port, _ := net.SplitHostPort(serve(t, func(net.Conn) {}))
	queries, answer := 0, error(&net.DNSError{Err: "no such host", Name: "db", IsNotFound: true})
	c := newConnector("db:" + port)
	c.lookup = func(context.Context, string) ([]string, error) {
		queries++
		return []string{"127.0.0.1"}, answer
	}
	open := func() string {
		conn, err := c.open(t.Context())
		if err != nil {
			return plain(err, time.Second)
		}
		conn.Close()
		return ""
	}
	if got := open(); got != "the name db does not resolve (no such host)" {
		t.Errorf("unknown name: %q", got)
	}
	answer = nil
	for range 3 {
		if got := open(); got != "" {
			t.Errorf("known name: %q", got)
		}
	}
	if queries != 2 {
		t.Errorf("%d queries, want one for the failure and one for all that followed", queries)
	}
	c.resolved = c.resolved.Add(-2 * resolvedFor)
	answer = &net.DNSError{Err: "timeout", Name: "db", IsTimeout: true}
	if got := open(); got != "" || queries != 3 {
		t.Errorf("DNS is gone, the address is known: %q after %d queries", got, queries)
	}
}

func TestPlain(t *testing.T) {
	for want, err := range map[string]error{
		"connection refused":                       fmt.Errorf("dial: %w", syscall.ECONNREFUSED),
		"no route to host":                         &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.EHOSTUNREACH)},
		"no answer within 2s":                      fmt.Errorf("read: %w", os.ErrDeadlineExceeded),
		"closed the connection without an answer":  io.ErrUnexpectedEOF,
		"two lines":                                errors.New("two\n\tlines\n"),
		strings.Repeat("x", errorLimit) + "...":    errors.New(strings.Repeat("x", 5000)),
		strings.Repeat("x", errorLimit-1) + "?...": errors.New(strings.Repeat("x", errorLimit-1) + "é and more"),
	} {
		if got := plain(err, probeTimeout); got != want {
			t.Errorf("%v: %q, want %q", err, got, want)
		}
	}
}

// deafAddress is one whose connections nobody answers, not even with a refusal: the queue of its socket is full.
func deafAddress(t *testing.T) string {
	t.Helper()
	socket, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(socket) })
	if err := errors.Join(syscall.Bind(socket, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}), syscall.Listen(socket, 0)); err != nil {
		t.Fatal(err)
	}
	bound, err := syscall.Getsockname(socket)
	if err != nil {
		t.Fatal(err)
	}
	address := fmt.Sprintf("127.0.0.1:%d", bound.(*syscall.SockaddrInet4).Port)
	for {
		conn, err := net.DialTimeout("tcp", address, 200*time.Millisecond)
		if err != nil {
			return address
		}
		t.Cleanup(func() { conn.Close() })
	}
}

func TestAnAddressThatAnswersNothing(t *testing.T) {
	deaf, refusing := deafAddress(t), closedPort(t)
	busy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }))
	defer busy.Close()
	for _, test := range []struct{ name, waits, code string }{
		{"deaf", "--wait a=tcp://" + deaf, codeAddressSilent},
		{"deaf HTTP", "--wait a=http://" + deaf + "/", codeAddressSilent},
		{"deaf behind another", "--wait b=tcp://" + refusing + " --wait a=tcp://" + deaf, codeGatesTimedOut},
		{"refused", "--wait a=tcp://" + refusing, codeGatesTimedOut},
		{"busy", "--wait a=" + busy.URL, codeGatesTimedOut},
		{"without a name", "--wait a=tcp://no-such-name.invalid:80", codeGatesTimedOut},
	} {
		folder := t.TempDir()
		termination, gates, record := filepath.Join(folder, "termination"), filepath.Join(folder, "gates"), filepath.Join(folder, "exit.json")
		write(t, termination, "", 0o644)
		p := start(t, fmt.Sprintf("run --timeout 900ms --termination-log %s --gates %s --record %s %s", termination, gates, record, test.waits), "true")
		if status := p.end(); status != exitGateTimeout {
			t.Errorf("%s: status %d", test.name, status)
		}
		if said := readTermination(t, termination); said.Code != test.code {
			t.Errorf("%s: %+v", test.name, said)
		}
		want := map[bool]string{true: codeAddressSilent}[strings.HasPrefix(test.name, "deaf")]
		events := readEvents(t, gates)
		for _, found := range [][]unready{readRecord(t, record).NotReady, events[len(events)-1].NotReady} {
			if last := found[len(found)-1]; last.Name != "a" || last.Code != want {
				t.Errorf("%s: %+v", test.name, found)
			}
		}
	}
}
