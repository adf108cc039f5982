package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// ask probes once, as a gate does, and returns the line for people; "" when ready.
func ask(t *testing.T, value string, env map[string]string) string {
	t.Helper()
	dependency, err := parseDependency("x="+value, environment(env))
	if err != nil {
		t.Fatal(err)
	}
	return askDependency(dependency)
}

func askDependency(dependency *dependency) string {
	ctx, cancel := context.WithTimeout(context.Background(), probeTimeout)
	defer cancel()
	if err := dependency.probe(ctx); err != nil {
		return plain(err, probeTimeout)
	}
	return ""
}

// serve runs handle for every connection to a port of its own, and returns the address.
func serve(t *testing.T, handle func(net.Conn)) string {
	t.Helper()
	return tcpServer(t, func(conn *net.TCPConn) {
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(10 * time.Second))
		handle(conn)
	})
}

// closedPort is an address at which nobody listens, and which is free. It is below the ports that the kernel gives to others, which
// could take it at once: to servers of other tests, and to clients.
func closedPort(t testing.TB) string {
	t.Helper()
	for range 1000 {
		address := fmt.Sprintf("127.0.0.1:%d", 20000+(os.Getpid()*131+int(nextPort.Add(1)))%12000)
		listener, err := net.Listen("tcp", address)
		if err == nil {
			listener.Close()
			return address
		}
	}
	t.Fatal("no port is free")
	return ""
}

var nextPort atomic.Int32

func TestHTTPAndS3(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var status int
		fmt.Sscanf(r.URL.Query().Get("status"), "%d", &status)
		if r.URL.Path == "/hints" {
			w.WriteHeader(http.StatusEarlyHints)
		}
		w.Header().Set("Location", "http://127.0.0.1:1/nowhere")
		w.WriteHeader(status)
	}))
	defer server.Close()
	for path, want := range map[string]string{
		"/?status=200":      "",
		"/?status=204":      "",
		"/?status=302":      "",
		"/?status=404":      "HTTP 404",
		"/?status=503":      "HTTP 503",
		"/hints?status=200": "",
		"/hints?status=500": "HTTP 500",
	} {
		if got := ask(t, server.URL+path, nil); got != want {
			t.Errorf("http %s: %q, want %q", path, got, want)
		}
	}

	secure := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Host != "orders.example" || r.Header.Get("X-Probe") != "a=b&c d" || r.Header.Get("User-Agent") != "me" {
			w.WriteHeader(http.StatusBadRequest)
		}
	}))
	defer secure.Close()
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	headers := "#host=orders.example&x-probe=a%3Db%26c%20d&User-Agent=me"
	for address, want := range map[string]string{
		secure.URL + "/" + headers: "",
		secure.URL + "/":           "HTTP 400",
		"http://" + secure.Listener.Addr().String() + "/" + headers: "HTTP 400: Client sent an HTTP request to an HTTPS server.",
	} {
		if got := ask(t, address, nil); got != want {
			t.Errorf("%s: %q, want %q", address, got, want)
		}
	}
	if got := ask(t, "https://"+server.Listener.Addr().String()+"/?status=200", nil); !strings.Contains(got, "does not look like a TLS handshake") {
		t.Errorf("https where none is spoken: %q", got)
	}

	var status atomic.Int32
	var path atomic.Value
	store := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path.Store(r.URL.Path)
		w.WriteHeader(int(status.Load()))
	}))
	defer store.Close()
	for code, want := range map[int32]string{200: "", 307: "", 403: "", 400: "", 500: "HTTP 500", 503: "HTTP 503"} {
		status.Store(code)
		if got := ask(t, "s3://"+store.Listener.Addr().String(), nil); got != want || path.Load() != "/" {
			t.Errorf("s3 with %d: %q at %v, want %q", code, got, path.Load(), want)
		}
	}
}

func TestWhatAnUnreadyServerSays(t *testing.T) {
	var body atomic.Value
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable)
		io.WriteString(w, body.Load().(string))
	}))
	defer server.Close()
	for said, want := range map[string]string{
		"":                                  "HTTP 503",
		"{\n  \"database\": \"down\"\n}\n":  `HTTP 503: { "database": "down" }`,
		"<html><h1>Unavailable</h1></html>": "HTTP 503",
		"\x00\x01\x02":                      "HTTP 503",
		"\xff\xfe":                          "HTTP 503",
		"\x1b[31mred":                       "HTTP 503",
		strings.Repeat("x", 10_000):         "HTTP 503: " + strings.Repeat("x", 200) + "…",
		strings.Repeat("ä", 10_000):         "HTTP 503: " + strings.Repeat("ä", 100) + "…",
		"x" + strings.Repeat("ä", 10_000):   "HTTP 503: x" + strings.Repeat("ä", 99) + "…",
	} {
		body.Store(said)
		if got := ask(t, server.URL+"/", nil); got != want {
			t.Errorf("%.20q: %q, want %q", said, got, want)
		}
	}
}

func TestNothingThereOrSomethingElse(t *testing.T) {
	t.Parallel()
	closed := closedPort(t)
	silent := serve(t, func(conn net.Conn) { io.Copy(io.Discard, conn) })
	hangsUp := serve(t, func(net.Conn) {})
	chatty := serve(t, func(conn net.Conn) {
		io.WriteString(conn, "220 mail.example ESMTP\r\n")
		io.Copy(io.Discard, conn)
	})
	// Which of them depends on what was under way when the connection went away.
	endings := []string{"closed the connection without an answer", "connection reset by peer", "broken pipe", "http2: client conn could not be established"}
	var group sync.WaitGroup
	defer group.Wait()
	for _, test := range []struct{ form, unlike string }{
		{"tcp://%s", ""},
		{"http://%s/", "malformed HTTP"},
		{"s3://%s", "malformed HTTP"},
		{"redis://%s", "not an answer of Redis"},
		{"postgres://me@%s/db", "not an answer of PostgreSQL"},
		{"grpc://%s", ""},
		{"temporal://%s?namespace=default", ""},
	} {
		group.Go(func() { // a silent server costs the whole time-out, so all at once
			if got := ask(t, fmt.Sprintf(test.form, closed), nil); got != "connection refused" {
				t.Errorf("%s, nobody listens: %q", test.form, got)
			}
			if strings.HasPrefix(test.form, "tcp:") {
				if got := ask(t, fmt.Sprintf(test.form, silent), nil); got != "" {
					t.Errorf("%s, accepts connections: %q", test.form, got)
				}
				return
			}
			if got := ask(t, fmt.Sprintf(test.form, silent), nil); got != "no answer within 2s" {
				t.Errorf("%s, silent: %q", test.form, got)
			}
			if got := ask(t, fmt.Sprintf(test.form, hangsUp), nil); !slices.Contains(endings, got) {
				t.Errorf("%s, hangs up: %q", test.form, got)
			}
			if got := ask(t, fmt.Sprintf(test.form, chatty), nil); got == "" || !strings.Contains(got, test.unlike) {
				t.Errorf("%s, another protocol: %q, want %q", test.form, got, test.unlike)
			}
		})
	}
}

// fakeRedis answers PING like a server with this user, password and state.
func fakeRedis(t *testing.T, user, password string, loading *atomic.Bool) string {
	return serve(t, func(conn net.Conn) {
		reader := bufio.NewReader(conn)
		authenticated := password == ""
		for {
			var words, size int
			if _, err := fmt.Fscanf(reader, "*%d\r\n", &words); err != nil {
				return
			}
			command := make([]string, words)
			for i := range command {
				if _, err := fmt.Fscanf(reader, "$%d\r\n", &size); err != nil {
					return
				}
				word := make([]byte, size+2)
				if _, err := io.ReadFull(reader, word); err != nil {
					return
				}
				command[i] = string(word[:size])
			}
			answer := "-ERR unknown command"
			switch {
			case command[0] == "AUTH":
				given := append([]string{"AUTH"}, user, password)
				if user == "" {
					given = []string{"AUTH", password}
				}
				authenticated = strings.Join(given, "\x00") == strings.Join(command, "\x00")
				answer = "-WRONGPASS invalid username-password pair or user is disabled."
				if authenticated {
					answer = "+OK"
				}
			case !authenticated:
				answer = "-NOAUTH Authentication required."
			case loading.Load():
				answer = "-LOADING Redis is loading the dataset in memory"
			case command[0] == "EXISTS":
				answer = "-CLUSTERDOWN Hash slot not served"
			case command[0] == "PING":
				answer = "+PONG"
			}
			io.WriteString(conn, answer+"\r\n")
		}
	})
}

func TestRedis(t *testing.T) {
	var ready, loading atomic.Bool
	loading.Store(true)
	env := map[string]string{"RIGHT": "a b\r\nc", "WRONG": "no"}
	open, locked, named := fakeRedis(t, "", "", &ready), fakeRedis(t, "", env["RIGHT"], &ready), fakeRedis(t, "app", env["RIGHT"], &ready)
	for _, test := range []struct{ url, want string }{
		{"redis://" + open, ""},
		{"redis://" + locked + "?password-env=RIGHT", ""},
		{"redis://" + open + "?cluster=true", "CLUSTERDOWN Hash slot not served"},
		{"redis://app@" + named + "?password-env=RIGHT", ""},
		{"redis://" + locked, "NOAUTH Authentication required."},
		{"redis://" + locked + "?password-env=WRONG", "WRONGPASS invalid username-password pair or user is disabled."},
		{"redis://" + fakeRedis(t, "", "", &loading), "LOADING Redis is loading the dataset in memory"},
	} {
		if got := ask(t, test.url, env); got != test.want {
			t.Errorf("%s: %q, want %q", test.url, got, test.want)
		}
	}
}

// grpcServer is a Temporal frontend as far as the launcher asks it, on a real HTTP/2 server.
type grpcServer struct {
	health     map[string]byte // by service
	namespaces map[string]bool
	noHealth   bool
}

func (g grpcServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	if r.ProtoMajor != 2 || r.Method != "POST" || r.Header.Get("Content-Type") != "application/grpc" || len(body) < 5 || int(binary.BigEndian.Uint32(body[1:])) != len(body)-5 {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	argument := ""
	if len(body) > 5 {
		if body[5] != 0x0a || int(body[6]) != len(body)-7 {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		argument = string(body[7:])
	}
	w.Header().Set("Content-Type", "application/grpc")
	fail := func(code, message string) { // without a message the status stands in the headers
		w.Header().Set("Grpc-Status", code)
		w.Header().Set("Grpc-Message", message)
	}
	answer := func(message ...byte) {
		w.Header().Set("Trailer", "Grpc-Status")
		w.Write(append([]byte{0, 0, 0, 0, byte(len(message))}, message...))
		w.Header().Set("Grpc-Status", "0")
	}
	switch r.URL.Path {
	case "/grpc.health.v1.Health/Check":
		status, known := g.health[argument]
		switch {
		case g.noHealth:
			fail("12", "unknown service grpc.health.v1.Health")
		case !known:
			fail("5", "unknown service")
		case status == 0:
			answer()
		default:
			answer(0x08, status)
		}
	case "/temporal.api.workflowservice.v1.WorkflowService/DescribeNamespace":
		if !g.namespaces[argument] {
			fail("5", "Namespace "+argument+" is not found%2E")
			return
		}
		answer(0x0a, 2, 'x', 'y', 0x18, 1)
	default:
		fail("12", "")
	}
}

func (g grpcServer) start(t *testing.T) string {
	t.Helper()
	server := httptest.NewUnstartedServer(g)
	server.Config.Protocols = new(http.Protocols)
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	server.Start()
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

func TestGRPCAndTemporal(t *testing.T) {
	const workflows = "temporal.api.workflowservice.v1.WorkflowService"
	serving := grpcServer{
		health:     map[string]byte{"": 1, "shop.Orders": 1, "shop.Slow": 2, "shop.Unset": 0, "shop.New": 9, workflows: 1},
		namespaces: map[string]bool{"default": true, "orders": true},
	}.start(t)
	starting := grpcServer{health: map[string]byte{"": 1, workflows: 2}}.start(t)
	without := grpcServer{noHealth: true}.start(t)
	plainHTTP := httptest.NewServer(http.NotFoundHandler())
	defer plainHTTP.Close()
	for url, want := range map[string]string{
		"grpc://" + serving:                                              "",
		"grpc://" + serving + "/shop.Orders":                             "",
		"grpc://" + serving + "/shop.Slow":                               "NOT_SERVING",
		"grpc://" + serving + "/shop.Unset":                              "UNKNOWN",
		"grpc://" + serving + "/shop.New":                                "health status 9",
		"grpc://" + serving + "/shop.Nothing":                            "NOT_FOUND: unknown service",
		"grpc://" + without:                                              "the server has no grpc.health.v1 service: wait for tcp:// instead",
		"temporal://" + serving:                                          "",
		"temporal://" + serving + "?namespace=default":                   "",
		"temporal://" + serving + "?namespace=default&namespace=orders":  "",
		"temporal://" + serving + "?namespace=default&namespace=unknown": "namespace unknown: NOT_FOUND: Namespace unknown is not found.",
		"temporal://" + starting + "?namespace=default":                  "NOT_SERVING",
	} {
		if got := ask(t, url, nil); got != want {
			t.Errorf("%s: %q, want %q", url, got, want)
		}
	}
	if got := ask(t, "grpc://"+plainHTTP.Listener.Addr().String(), nil); got == "" {
		t.Error("a server of HTTP/1.1 passed for gRPC")
	}
}

func TestProtoVarint(t *testing.T) {
	for _, test := range []struct {
		name    string
		message []byte
		want    uint64
		bad     bool
	}{
		{"empty", nil, 0, false},
		{"the field", []byte{0x08, 0x96, 0x01}, 150, false},
		{"after others", []byte{0x12, 2, 8, 8, 0x19, 1, 2, 3, 4, 5, 6, 7, 8, 0x25, 1, 2, 3, 4, 0x08, 1}, 1, false},
		{"cut in the tag", []byte{0x80}, 0, true},
		{"cut in the number", []byte{0x08, 0x80}, 0, true},
		{"cut in the text", []byte{0x12, 5, 1}, 0, true},
		{"cut in eight bytes", []byte{0x19, 1}, 0, true},
		{"group", []byte{0x0b}, 0, true},
		{"length beyond all", []byte{0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01}, 0, true},
	} {
		got, err := protoVarint(test.message, 1)
		if got != test.want || (err != nil) != test.bad {
			t.Errorf("%s: %d, %v", test.name, got, err)
		}
	}
}
