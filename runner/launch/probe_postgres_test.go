package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// fakePostgres is the server's side of a login. Its SCRAM is written after the RFC on its own, not with the client's code.
type fakePostgres struct {
	method   string // "trust", "cleartext", "md5", "scram", "scram-liar" (does not know the password), "gss", "starting"
	password string
}

func (f fakePostgres) message(kind byte, body string) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{kind}, uint32(len(body)+4)), body...)
}

func (f fakePostgres) authentication(request uint32, data string) []byte {
	return f.message('R', string(binary.BigEndian.AppendUint32(nil, request))+data)
}

func (f fakePostgres) serve(conn net.Conn) {
	read := func(size int) []byte {
		body := make([]byte, size)
		if _, err := io.ReadFull(conn, body); err != nil {
			return nil
		}
		return body
	}
	answer := func() string { // a message of the client
		header := read(5)
		if header == nil || header[0] != 'p' {
			return ""
		}
		return string(read(int(binary.BigEndian.Uint32(header[1:])) - 4))
	}
	size := read(4)
	if size == nil {
		return
	}
	startup := read(int(binary.BigEndian.Uint32(size)) - 4)
	if !bytes.Contains(startup, []byte("user\x00me\x00database\x00db\x00")) {
		conn.Write(f.message('E', "SFATAL\x00C08P01\x00Mbad startup\x00\x00"))
		return
	}
	ok := false
	switch f.method {
	case "starting":
		conn.Write(f.message('E', "SFATAL\x00VFATAL\x00C57P03\x00Mthe database system is starting up\x00\x00"))
		return
	case "trust":
		ok = true
	case "gss":
		conn.Write(f.authentication(7, ""))
		return
	case "cleartext":
		conn.Write(f.authentication(3, ""))
		ok = answer() == f.password+"\x00"
	case "md5":
		conn.Write(f.authentication(5, "\x01\x02\x03\x04"))
		ok = answer() == md5Password("me", f.password, []byte{1, 2, 3, 4})+"\x00"
	case "scram", "scram-liar":
		ok = f.scram(conn, answer)
	}
	if !ok {
		conn.Write(f.message('E', "SFATAL\x00C28P01\x00Mpassword authentication failed for user \"me\"\x00\x00"))
		return
	}
	conn.Write(slices.Concat(f.authentication(0, ""), f.message('S', "server_version\x0017.0\x00"), f.message('N', "SNOTICE\x00C00000\x00Mhello\x00\x00"),
		f.message('K', "12345678"), f.message('Z', "I")))
	read(5) // the end of the session
}

func (f fakePostgres) scram(conn net.Conn, answer func() string) bool {
	mac := func(key []byte, text string) []byte {
		h := hmac.New(sha256.New, key)
		io.WriteString(h, text)
		return h.Sum(nil)
	}
	conn.Write(f.authentication(10, "SCRAM-SHA-256-PLUS\x00SCRAM-SHA-256\x00\x00"))
	first, found := strings.CutPrefix(answer(), "SCRAM-SHA-256\x00")
	if !found || len(first) < 8 || !strings.HasPrefix(first[4:], "n,,n=,r=") {
		return false
	}
	bare := first[4+3:]
	nonce := strings.TrimPrefix(bare, "n=,r=") + "server"
	salt := []byte("salt of server")
	challenge := fmt.Sprintf("r=%s,s=%s,i=4096", nonce, base64.StdEncoding.EncodeToString(salt))
	conn.Write(f.authentication(11, challenge))
	withoutProof, proofText, found := strings.Cut(answer(), ",p=")
	proof, err := base64.StdEncoding.DecodeString(proofText)
	if !found || err != nil || len(proof) != sha256.Size || withoutProof != "c=biws,r="+nonce {
		return false
	}
	salted, _ := pbkdf2.Key(sha256.New, f.password, salt, 4096, sha256.Size)
	all := bare + "," + challenge + "," + withoutProof
	stored := sha256.Sum256(mac(salted, "Client Key"))
	key := mac(stored[:], all)
	for i := range key {
		key[i] ^= proof[i]
	}
	if sha256.Sum256(key) != stored && f.method != "scram-liar" {
		return false
	}
	conn.Write(f.authentication(12, "v="+base64.StdEncoding.EncodeToString(mac(mac(salted, "Server Key"), all))))
	return true
}

func TestPostgresLogin(t *testing.T) {
	env := map[string]string{"RIGHT": "correct horse", "WRONG": "battery staple", "EMPTY": ""}
	wrong := `password authentication failed for user "me" (SQLSTATE 28P01)`
	none := "the server asks for a password, and none is given: add ?password-env=VARIABLE"
	for _, test := range []struct{ method, variable, want string }{
		{"trust", "", ""},
		{"trust", "RIGHT", ""},
		{"cleartext", "RIGHT", ""},
		{"cleartext", "WRONG", wrong},
		{"cleartext", "", none},
		{"md5", "RIGHT", ""},
		{"md5", "WRONG", wrong},
		{"scram", "RIGHT", ""},
		{"scram", "WRONG", wrong},
		{"scram", "", none},
		{"scram", "EMPTY", none},
		{"scram-liar", "WRONG", "SCRAM: the server does not know the password"},
		{"gss", "RIGHT", "the server asks for a kind of login (7) that the launcher does not know: use scram-sha-256"},
		{"starting", "RIGHT", "the database system is starting up (SQLSTATE 57P03)"},
	} {
		address := serve(t, fakePostgres{test.method, env["RIGHT"]}.serve)
		url := "postgres://me@" + address + "/db"
		if test.variable != "" {
			url += "?password-env=" + test.variable
		}
		if got := ask(t, url, env); got != test.want {
			t.Errorf("%s with %s: %q, want %q", test.method, test.variable, got, test.want)
		}
	}
}

func TestMD5Password(t *testing.T) {
	// "md5" + md5(md5("secret" + "app") + 01 02 03 04), worked out with another program.
	if got := md5Password("app", "secret", []byte{1, 2, 3, 4}); got != "md5911f527656472583a006e7727877b33e" {
		t.Errorf("got %s", got)
	}
}

// TestRealPostgres asks a PostgreSQL of this machine, from before it starts.
func TestRealPostgres(t *testing.T) {
	t.Parallel()
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if len(found) == 0 {
		t.Skip("no PostgreSQL on this machine")
	}
	bin := filepath.Dir(found[len(found)-1])
	home, attributes := postgresHome(t)
	data := filepath.Join(home, "data")
	command := func(input, name string, args ...string) *exec.Cmd {
		command := exec.CommandContext(t.Context(), filepath.Join(bin, name), args...)
		command.Stdin, command.Dir, command.SysProcAttr = strings.NewReader(input), home, attributes
		return command
	}
	run := func(input, name string, args ...string) {
		t.Helper()
		if output, err := command(input, name, args...).CombinedOutput(); err != nil || bytes.Contains(output, []byte("ERROR:")) {
			t.Fatalf("%s: %v\n%s", name, err, output)
		}
	}
	run("", "initdb", "-D", data, "-U", "postgres", "--auth=reject", "--no-sync", "--encoding=UTF8", "--locale=C")
	run("CREATE ROLE scram LOGIN PASSWORD 'p,w=\u00e9'\nCREATE ROLE plain LOGIN PASSWORD 'pw'\nSET password_encryption = 'md5'\nCREATE ROLE old LOGIN PASSWORD 'pw'\n"+
		"CREATE ROLE free LOGIN\nCREATE DATABASE orders\n", "postgres", "--single", "-D", data, "-c", "fsync=off", "postgres")
	hba := "host all scram 127.0.0.1/32 scram-sha-256\nhost all plain 127.0.0.1/32 password\nhost all old 127.0.0.1/32 md5\nhost all free 127.0.0.1/32 trust\n"
	if err := os.WriteFile(filepath.Join(data, "pg_hba.conf"), []byte(hba), 0o644); err != nil {
		t.Fatal(err)
	}
	address := closedPort(t)
	_, port, _ := net.SplitHostPort(address)
	env := map[string]string{"SCRAM": "p,w=\u00e9", "PW": "pw", "WRONG": "wrong"}

	orders, err := parseDependency("db=postgres://scram@"+address+"/orders?password-env=SCRAM", environment(env))
	if err != nil {
		t.Fatal(err)
	}
	if got := askDependency(orders); got != "connection refused" {
		t.Errorf("before the start: %q", got)
	}
	server := command("", "postgres", "-D", data, "-p", port, "-k", "", "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off")
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	defer server.Wait()
	defer server.Process.Signal(syscall.SIGINT) // fast shutdown
	waiting := gate{dependencies: []*dependency{orders}, started: time.Now()}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if notReady := waiting.wait(ctx); notReady != nil {
		t.Fatalf("not ready: %s", joined(notReady))
	}

	forwarded, _ := forwardTo(t, address)
	for _, test := range []struct{ user, database, variable, want string }{
		{"plain", "orders", "PW", ""},
		{"old", "orders", "PW", ""},
		{"free", "orders", "PW", ""},
		{"free", "postgres", "WRONG", ""},
		{"scram", "orders", "WRONG", `password authentication failed for user "scram" (SQLSTATE 28P01)`},
		{"plain", "orders", "WRONG", `password authentication failed for user "plain" (SQLSTATE 28P01)`},
		{"old", "orders", "WRONG", `password authentication failed for user "old" (SQLSTATE 28P01)`},
		{"free", "nothing", "PW", `database "nothing" does not exist (SQLSTATE 3D000)`},
	} {
		for _, place := range []string{address, forwarded} {
			got := ask(t, fmt.Sprintf("postgres://%s@%s/%s?password-env=%s", test.user, place, test.database, test.variable), env)
			if got != test.want {
				t.Errorf("%s in %s with %s: %q, want %q", test.user, test.database, test.variable, got, test.want)
			}
		}
	}
	if got := ask(t, "postgres://stranger@"+address+"/orders?password-env=PW", env); !strings.Contains(got, "SQLSTATE 28000") {
		t.Errorf("a user whom pg_hba.conf does not know: %q", got)
	}
}

// postgresHome makes a folder for a server, and the identity to run it under: PostgreSQL refuses to run as root.
func postgresHome(t *testing.T) (string, *syscall.SysProcAttr) {
	t.Helper()
	home, err := os.MkdirTemp("", "launch-postgres-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(home) })
	if os.Geteuid() != 0 {
		return home, nil
	}
	nobody, err := user.Lookup("nobody")
	if err != nil {
		t.Skip("PostgreSQL does not run as root, and there is no user nobody: ", err)
	}
	uid, _ := strconv.Atoi(nobody.Uid)
	gid, _ := strconv.Atoi(nobody.Gid)
	if err := os.Chown(home, uid, gid); err != nil {
		t.Fatal(err)
	}
	return home, &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
}
