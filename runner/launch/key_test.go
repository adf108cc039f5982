package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestTheRecordBeginsWithTheKeyThatTheCommandNeverSees(t *testing.T) {
	folder := t.TempDir()
	p := start(t, "run --record "+folder+"/exit.json --key "+folder+"/key", "cat "+folder+"/*; exit 3")
	time.AfterFunc(20*time.Millisecond, func() {
		write(t, folder+"/partial", "c0ffee\n", 0o644)
		os.Rename(folder+"/partial", folder+"/key")
	})
	if status := p.end(); status != 3 || strings.Contains(p.stdout.String(), "c0ffee") {
		t.Errorf("status %d, %q", status, p.stdout.String())
	}
	line, record, _ := strings.Cut(read(t, folder+"/exit.json"), "\n")
	if line != "c0ffee" || !strings.Contains(record, `"exitCode":3`) || exists(folder+"/key") {
		t.Errorf("%q, %q", line, record)
	}
}

func TestWithoutItsKeyTheCommandDoesNotStart(t *testing.T) {
	folder := t.TempDir()
	p := start(t, "run --timeout 100ms --record "+folder+"/exit.json --key "+folder+"/key", "echo ran")
	if status := p.end(); status != exitIO || p.stdout.String() != "" || !strings.Contains(p.stderr.String(), "--key: the collector did not write") {
		t.Errorf("status %d, %q, %q", status, p.stdout.String(), p.stderr.String())
	}
}

func TestAFailureBeforeTheStartIsRecordedWithTheKey(t *testing.T) {
	folder := t.TempDir()
	write(t, folder+"/key", "c0ffee\n", 0o644)
	p := start(t, "run --timeout 100ms --wait a=tcp://"+closedPort(t)+" --record "+folder+"/exit.json --key "+folder+"/key", "true")
	if status := p.end(); status != exitGateTimeout || !strings.HasPrefix(read(t, folder+"/exit.json"), "c0ffee\n{") {
		t.Errorf("status %d, %q", status, read(t, folder+"/exit.json"))
	}
}

func TestWhatTheCommandPutInPlaceOfTheRecordGoes(t *testing.T) {
	for name, script := range map[string]string{
		"a record":            "echo forged > exit.json",
		"a folder":            "mkdir exit.json; touch exit.json/x",
		"the reserved file":   "rm exit.json.partial; echo forged > exit.json.partial",
		"a link":              "ln -sf /dev/null exit.json; ln -sf target exit.json.partial",
		"no reserved file":    "rm -f exit.json.partial",
		"a reserved folder":   "rm exit.json.partial; mkdir exit.json.partial; touch exit.json.partial/x",
		"a longer reserved":   "head -c 100000 /dev/zero > exit.json.partial",
		"a hard link of ours": "ln exit.json.partial exit.json",
	} {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			start(t, "run --record "+folder+"/exit.json", "cd "+folder+"; "+script+"; exit 3").end()
			if r := readRecord(t, folder+"/exit.json"); r.ExitCode == nil || *r.ExitCode != 3 {
				t.Errorf("%+v", r)
			}
		})
	}
}

func TestAsPID1NothingOutlivesTheCommand(t *testing.T) {
	first, folder := asPID1(t), t.TempDir()
	script := "(setsid sh -c 'while :; do echo forged > " + folder + "/exit.json; done' &); exit 3"
	for range 10 {
		start(t, "run --record "+folder+"/exit.json", script, first).end()
		if r := readRecord(t, folder+"/exit.json"); r.ExitCode == nil || *r.ExitCode != 3 {
			t.Fatalf("%+v", r)
		}
	}
}

func TestTheLaunchersMemoryIsItsOwn(t *testing.T) {
	folder := t.TempDir()
	write(t, folder+"/key", "c0ffee\n", 0o644)
	p := start(t, "run --record "+folder+"/exit.json --key "+folder+"/key", "stat -c %u /proc/$PPID/mem /proc/$$/mem; true")
	if p.end(); os.Getuid() != 0 {
		if owners := strings.Fields(p.stdout.String()); len(owners) != 2 || owners[0] != "0" || owners[1] == "0" {
			t.Errorf("owners of the memory of launcher and command: %q", p.stdout.String())
		}
	}
	if _, err := os.Stat(filepath.Join(folder, "exit.json")); err != nil {
		t.Error(err)
	}
}
