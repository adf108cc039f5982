package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

// What the launcher writes is read by Python programs: tests/unit/protocol reads the same golden files.
const golden = "../../tests/unit/protocol/golden"

// sameJSON compares two JSON texts as values.
func sameJSON(t *testing.T, name string, got, want []byte) {
	t.Helper()
	var left, right any
	if err := json.Unmarshal(got, &left); err != nil {
		t.Fatalf("%s: %v in %s", name, err, got)
	}
	if err := json.Unmarshal(want, &right); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if !reflect.DeepEqual(left, right) {
		t.Errorf("%s: wrote %s", name, got)
	}
}

func goldenFile(t *testing.T, name string) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(golden, name))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func pointer[T any](value T) *T { return &value }

func TestGoldenExitRecords(t *testing.T) {
	const started, ended = 1767225600.25, 1767225660.5
	none := []unready{}
	for name, written := range map[string]record{
		"passed": {ExitCode: pointer(0), NotReady: none, StartedAt: pointer(started), EndedAt: ended, Lost: none},
		"killed": {
			Signal: pointer("SIGKILL"), TimedOut: true, OOMKilled: true, NotReady: none, StartedAt: pointer(started), EndedAt: ended,
			Lost: []unready{{"postgres", "connection refused", "", "postgres://postgres"}},
		},
		"gates-timed-out": {
			GateTimeout: true, NotReady: []unready{
				{"api", "HTTP 503", "", "http://api"}, {"migrations", "no answer", "", "tcp://migrations:7070"},
				{"redis", "no connection within 1s", codeAddressSilent, "redis://redis"},
			},
			EndedAt: ended, Code: pointer(codeGatesTimedOut), Lost: none,
		},
		"bundle-missing": {
			NotReady: none, EndedAt: ended, Code: pointer(codeBundleMissing), Error: pointer("the archive has no bundle sha256:00 for this namespace"),
			Lost: none,
		},
		"not-found": {
			NotReady: none, EndedAt: ended, Code: pointer(codeNotFound),
			Error: pointer("executable not found: python (nor python3): the image needs Python on its PATH"), Lost: none,
		},
	} {
		recorder, err := openRecorder(filepath.Join(t.TempDir(), "exit.json"))
		if err != nil {
			t.Fatal(err)
		}
		if err := recorder.commit(written); err != nil {
			t.Fatal(err)
		}
		sameJSON(t, name, []byte(read(t, recorder.path)), goldenFile(t, "exit-record-"+name+".json"))
	}
}

func TestGoldenGateEvents(t *testing.T) {
	lines := strings.Split(strings.TrimSpace(string(goldenFile(t, "gate-events.jsonl"))), "\n")
	for i, written := range []event{
		{T: 1767225600.25, Event: "waiting", Name: "postgres"},
		{T: 1767225600.75, Event: "bundle", Seconds: pointer(1.0), Files: pointer(500), Size: pointer(int64(5_000_000)), LockFiles: []string{"uv.lock"}},
		{T: 1767225601.25, Event: "ready", Name: "postgres", Seconds: pointer(1.5)},
		{T: 1767225601.5, Event: "open", Seconds: pointer(1.75)},
		{T: 1767225900.25, Event: "timeout", NotReady: []unready{{"api", "HTTP 503", "", "http://api"}}},
	} {
		line, err := json.Marshal(written)
		if err != nil {
			t.Fatal(err)
		}
		sameJSON(t, written.Event, line, []byte(lines[i]))
	}
}

func TestGoldenTermination(t *testing.T) {
	want := strings.TrimSpace(string(goldenFile(t, "termination-launcher.json")))
	got := string(termination{codeGatesTimedOut, `not ready after 300s: api (tcp://api:8080: "refused" <&> ü)`}.encode())
	if got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// codes are all that a termination message can have.
var codes = []string{
	codeGatesTimedOut, codeNotFound, codeNotExecutable, codeSetUpFailed, codeUsage, codeStopped,
	codeBundleMissing, codeBundleBroken, codeArchiveUnavailable, codeForwardPortTaken, codeAddressSilent,
}

func TestGoldenCodes(t *testing.T) {
	written, err := json.Marshal(codes)
	if err != nil {
		t.Fatal(err)
	}
	sameJSON(t, "codes", written, goldenFile(t, "launcher-codes.json"))
}

func FuzzTermination(f *testing.F) {
	f.Add("gates-timed-out", "not ready")
	f.Add(codeSetUpFailed, strings.Repeat("ü\x00\"", 1000))
	f.Add("", "\xff\xfe"+strings.Repeat("\u2028", 400))
	f.Fuzz(func(t *testing.T, code, text string) {
		line := termination{cutText(code, 40), text}.encode()
		var back termination
		if err := json.Unmarshal(line, &back); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if !utf8.Valid(line) || len(line) > terminationLength || !bytes.HasPrefix(line, []byte(`{"code":"`)) {
			t.Errorf("%d bytes: %q", len(line), line)
		}
	})
}
