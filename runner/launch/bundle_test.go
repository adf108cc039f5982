package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// packed is a bundle as the archive stores it.
type packed struct {
	bytes  []byte
	digest string
}

func regular(name, content string) tar.Header {
	return tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: int64(len(content)), PAXRecords: map[string]string{"SEATRIAL.content": content}}
}

func symlink(name, leads string) tar.Header {
	return tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: leads, Mode: 0o777}
}

// pack makes a bundle. The content of a regular entry is in its PAX record, or zeros.
func pack(t testing.TB, entries ...tar.Header) packed {
	t.Helper()
	var buffer bytes.Buffer
	zipped := gzip.NewWriter(&buffer)
	archive := tar.NewWriter(zipped)
	for _, header := range entries {
		content := []byte(header.PAXRecords["SEATRIAL.content"])
		if len(content) == 0 {
			content = make([]byte, header.Size)
		}
		header.PAXRecords = nil
		if err := archive.WriteHeader(&header); err != nil {
			t.Fatal(err)
		}
		if _, err := archive.Write(content); err != nil {
			t.Fatal(err)
		}
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	if err := zipped.Close(); err != nil {
		t.Fatal(err)
	}
	return newPacked(buffer.Bytes())
}

func newPacked(content []byte) packed {
	sum := sha256.Sum256(content)
	return packed{content, hex.EncodeToString(sum[:])}
}

// archiveOf serves one bundle as the archive does.
func archiveOf(t testing.TB, bundle packed) *httptest.Server {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Header.Get("Authorization") != "Bearer the-token":
			http.Error(w, "wrong token", http.StatusUnauthorized)
		case r.URL.Path != "/v1/namespaces/team/bundles/"+bundle.digest:
			http.NotFound(w, r)
		default:
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(bundle.bytes))
		}
	}))
	t.Cleanup(server.Close)
	return server
}

func bundleWords(server *httptest.Server, digest, target string) string {
	return fmt.Sprintf("--bundle %s/v1/namespaces/team/bundles/%s --bundle-digest sha256:%s --bundle-target %s", server.URL, digest, digest, target)
}

func withToken(token string) func(*exec.Cmd) {
	return func(c *exec.Cmd) { c.Env = append(os.Environ(), bundleToken+"="+token) }
}

func TestTheCommandRunsInItsBundle(t *testing.T) {
	folder := t.TempDir()
	script := regular("bin/start", "#!/bin/sh\necho started; env\n")
	script.Mode = 0o755
	bundle := pack(t, script, regular("data/a.txt", "of the bundle"), symlink("link", "data/a.txt"))
	server := archiveOf(t, bundle)
	p := start(t, "run --chdir "+folder+" "+bundleWords(server, bundle.digest, folder), "./bin/start; cat link", withToken("the-token"))
	if status := p.end(); status != 0 {
		t.Fatalf("status %d: %s", status, p.stderr.String())
	}
	if out := p.stdout.String(); !strings.HasPrefix(out, "started\n") || !strings.HasSuffix(out, "of the bundle") || strings.Contains(out, "the-token") {
		t.Error(out)
	}
}

func TestABundleThatCanNotBeUsedKeepsTheCommandFromStarting(t *testing.T) {
	good := pack(t, regular("a", "content"))
	other := pack(t, regular("a", "other content"))
	outside := pack(t, regular("../a", "content"))
	changed := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(other.bytes) }))
	defer changed.Close()
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	for name, test := range map[string]struct {
		server *httptest.Server
		digest string
		token  string
		code   string
		status int
	}{
		"missing":     {archiveOf(t, good), other.digest, "the-token", codeBundleMissing, exitIO},
		"changed":     {changed, good.digest, "the-token", codeBundleBroken, exitIO},
		"outside":     {archiveOf(t, outside), outside.digest, "the-token", codeBundleBroken, exitIO},
		"no archive":  {gone, good.digest, "the-token", codeArchiveUnavailable, exitGateTimeout},
		"wrong token": {archiveOf(t, good), good.digest, "another-token", codeArchiveUnavailable, exitIO},
	} {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			termination, record := filepath.Join(folder, "termination"), filepath.Join(folder, "exit.json")
			write(t, termination, "", 0o644)
			words := fmt.Sprintf("run --timeout 400ms --record %s --termination-log %s ", record, termination)
			p := start(t, words+bundleWords(test.server, test.digest, filepath.Join(folder, "app")), "echo started", withToken(test.token))
			if status := p.end(); status != test.status || p.stdout.String() != "" {
				t.Errorf("status %d, wrote %q: %s", status, p.stdout.String(), p.stderr.String())
			}
			if said := readTermination(t, termination); said.Code != test.code {
				t.Errorf("%+v", said)
			}
			if r := readRecord(t, record); r.Code == nil || *r.Code != test.code || r.StartedAt != nil {
				t.Errorf("%+v", r)
			}
		})
	}
}
