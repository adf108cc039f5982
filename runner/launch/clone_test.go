package main

import (
	"encoding/binary"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
)

// serveStatements is a server that trusts everyone and answers each statement; those with `missing` fail.
func serveStatements(t *testing.T, statements chan<- string) string {
	fake := fakePostgres{}
	return serve(t, func(conn net.Conn) {
		size := make([]byte, 4)
		io.ReadFull(conn, size)
		startup := make([]byte, binary.BigEndian.Uint32(size)-4)
		io.ReadFull(conn, startup)
		if !strings.Contains(string(startup), "user\x00me\x00database\x00postgres\x00") {
			return
		}
		conn.Write(slices.Concat(fake.authentication(0, ""), fake.message('Z', "I")))
		for {
			header := make([]byte, 5)
			if _, err := io.ReadFull(conn, header); err != nil || header[0] != 'Q' {
				return
			}
			body := make([]byte, binary.BigEndian.Uint32(header[1:])-4)
			io.ReadFull(conn, body)
			statements <- strings.TrimSuffix(string(body), "\x00")
			answer := fake.message('C', "CREATE DATABASE\x00")
			if strings.Contains(string(body), "TEMPLATE \"missing\"") {
				answer = fake.message('E', "SERROR\x00C3D000\x00Mtemplate database \"missing\" does not exist\x00\x00")
			}
			conn.Write(slices.Concat(answer, fake.message('Z', "I")))
		}
	})
}

func TestCloneReplacesADatabase(t *testing.T) {
	statements := make(chan string, 4)
	address := serveStatements(t, statements)
	if err := cloneCommand([]string{"postgres://me@" + address + "/app_gw0?template=app_template"}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`DROP DATABASE IF EXISTS "app_gw0"`, `CREATE DATABASE "app_gw0" TEMPLATE "app_template"`} {
		if got := <-statements; got != want {
			t.Errorf("%s, not %s", got, want)
		}
	}
}

func TestCloneSaysWhyItFails(t *testing.T) {
	address := serveStatements(t, make(chan string, 4))
	want := `the database a, a copy of missing, can't be made: template database "missing" does not exist (SQLSTATE 3D000)`
	if err := cloneCommand([]string{"postgres://me@" + address + "/a?template=missing"}); err == nil || err.Error() != want {
		t.Error(err)
	}
	for _, wrong := range []string{"redis://me@x/a?template=b", "postgres://me@x/a", "postgres://x/a?template=b", "postgres://me@x/a?template=b&z=1"} {
		if f := asFailure(cloneCommand([]string{wrong})); f.status != exitUsage {
			t.Errorf("%s: %v", wrong, f)
		}
	}
}

func TestACloneIsMadeBeforeTheBeaconAnswers(t *testing.T) {
	statements := make(chan string, 4)
	address := serveStatements(t, statements)
	p := start(t, "run --clone postgres://me@"+address+"/x?template=missing --beacon 127.0.0.1:0 --termination-log "+t.TempDir()+"/log", "true")
	if status := p.end(); status != exitIO || len(statements) != 2 {
		t.Errorf("status %d after %d statements", status, len(statements))
	}
}
