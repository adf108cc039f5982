package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// These tests run the built program, as pods do.

// launcherFolder is where the program is built.
var launcherFolder string

// launcher builds the program, for the first test that runs it: fuzzing starts processes that need none.
var launcher = sync.OnceValue(func() string {
	folder, err := os.MkdirTemp("", "launch-")
	if err != nil {
		panic(err)
	}
	launcherFolder = folder
	program := filepath.Join(folder, "launch")
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w -X main.version=1.2.3", "-o", program, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := build.CombinedOutput(); err != nil {
		panic(fmt.Sprintf("%v\n%s", err, output))
	}
	return program
})

func TestMain(m *testing.M) {
	status := m.Run()
	if launcherFolder != "" {
		os.RemoveAll(launcherFolder)
	}
	os.Exit(status)
}

// patience is how long a test waits for something that happens at once when the program is right.
const patience = 20 * time.Second

// process is a launcher that runs.
type process struct {
	*exec.Cmd
	t      *testing.T
	stdout bytes.Buffer
	stderr lockedBuffer
}

type lockedBuffer struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.String()
}

// start runs the launcher. words are split at spaces; script, if not "", is the command `sh -c script`.
func start(t *testing.T, words, script string, change ...func(*exec.Cmd)) *process {
	t.Helper()
	args := strings.Fields(words)
	if script != "" {
		args = append(args, "--", "sh", "-c", script)
	}
	p := &process{Cmd: exec.Command(launcher(), args...), t: t}
	p.Stdout, p.Stderr = &p.stdout, &p.stderr
	p.WaitDelay = patience
	for _, f := range change {
		f(p.Cmd)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	dead := time.AfterFunc(patience, func() {
		t.Errorf("%s %s: still runs after %v", words, script, patience)
		p.Process.Kill()
	})
	t.Cleanup(func() {
		dead.Stop()
		p.Process.Kill()
	})
	return p
}

// end waits for the launcher and returns its exit status.
func (p *process) end() int {
	p.t.Helper()
	if err := p.Wait(); err != nil {
		if _, ok := err.(*exec.ExitError); !ok {
			p.t.Fatal(err)
		}
	}
	return p.ProcessState.ExitCode()
}

func until(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !condition(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not after %v", what, patience)
		}
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func readTermination(t *testing.T, path string) termination {
	t.Helper()
	var said termination
	if err := json.Unmarshal([]byte(read(t, path)), &said); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return said
}

func readRecord(t *testing.T, path string) record {
	t.Helper()
	var r record
	if err := json.Unmarshal([]byte(read(t, path)), &r); err != nil {
		t.Fatal(err)
	}
	if r.StartedAt != nil && (*r.StartedAt > r.EndedAt || time.Since(time.UnixMicro(int64(*r.StartedAt*1e6))) > time.Hour) {
		t.Errorf("times: %v to %v", *r.StartedAt, r.EndedAt)
	}
	if exists(path + ".partial") {
		t.Error("a partial record is left")
	}
	return r
}

func TestVersionHelpAndUsage(t *testing.T) {
	version := start(t, "version", "")
	if version.end() != 0 || version.stdout.String() != "1.2.3\n" {
		t.Errorf("version: %q", version.stdout.String())
	}
	for _, words := range []string{"help", "run --help", "wait -h"} {
		if help := start(t, words, ""); help.end() != 0 || !strings.Contains(help.stdout.String(), "launch run [flags]") {
			t.Errorf("%s: %q", words, help.stdout.String())
		}
	}
	for _, words := range []string{"", "fly", "run", "wait true", "copy /a", "run --wait nonsense -- true"} {
		if wrong := start(t, words, ""); wrong.end() != exitUsage || wrong.stderr.String() == "" {
			t.Errorf("%q: status %d, %q", words, wrong.ProcessState.ExitCode(), wrong.stderr.String())
		}
	}
}

func TestRunBecomesTheCommand(t *testing.T) {
	folder := t.TempDir()
	p := start(t, "run --chdir "+folder+" --prepend-env A_PATH=/ours --prepend-env NEW=only", `echo "$$ $PPID $(pwd) $PWD $A_PATH $NEW"; cat; exit 7`, func(c *exec.Cmd) {
		c.Env = append(os.Environ(), "A_PATH=/theirs")
		c.Stdin = strings.NewReader("from stdin")
	})
	want := fmt.Sprintf("%d %d %s %s /ours:/theirs only\nfrom stdin", p.Process.Pid, os.Getpid(), folder, folder)
	if status := p.end(); status != 7 || p.stdout.String() != want || p.stderr.String() != "" {
		t.Errorf("status %d, %q, want %q (%s)", status, p.stdout.String(), want, p.stderr.String())
	}
}

func TestCommandsThatCannotStart(t *testing.T) {
	folder := t.TempDir()
	write(t, filepath.Join(folder, "data"), "data", 0o644)
	write(t, filepath.Join(folder, "orphan"), "#!/no/such/interpreter\n", 0o755)
	write(t, filepath.Join(folder, "garbage"), "\x7fELF nonsense", 0o755)
	for _, test := range []struct {
		command string
		status  int
		code    string
		want    string
	}{
		{"no-such-command", exitNotFound, codeNotFound, "executable not found: no-such-command"},
		{folder + "/none", exitNotFound, codeNotFound, "executable not found: " + folder + "/none"},
		{folder + "/data", exitNotExecutable, codeNotExecutable, "not executable: " + folder + "/data: permission denied"},
		{folder + "/orphan", exitNotExecutable, codeNotExecutable, "its interpreter or loader is not in this image"},
		{folder + "/garbage", exitNotExecutable, codeNotExecutable, "built for another kind of machine"},
		{folder, exitNotExecutable, codeNotExecutable, "not executable: " + folder},
	} {
		for _, supervised := range []bool{false, true} {
			record, last := filepath.Join(t.TempDir(), "exit.json"), filepath.Join(t.TempDir(), "termination-log")
			write(t, last, "", 0o644)
			words := "run --termination-log " + last
			if supervised {
				words += " --record " + record + " --output " + record + ".log"
			}
			p := start(t, words+" -- "+test.command, "")
			if status := p.end(); status != test.status || !strings.Contains(p.stderr.String(), test.want) {
				t.Errorf("%s: status %d, %q", test.command, status, p.stderr.String())
			}
			if got := readTermination(t, last); got.Code != test.code || !strings.Contains(got.Message, test.want) {
				t.Errorf("%s: termination message %+v", test.command, got)
			}
			if !supervised {
				continue
			}
			if r := readRecord(t, record); r.Error == nil || !strings.Contains(*r.Error, test.want) || *r.Code != test.code || r.ExitCode != nil || r.StartedAt != nil {
				t.Errorf("%s: record %+v", test.command, r)
			}
		}
	}
}

func TestPython(t *testing.T) {
	folder := t.TempDir()
	write(t, filepath.Join(folder, "python3"), "#!/bin/sh\necho \"three $*\"\n", 0o755)
	path := func(c *exec.Cmd) { c.Env = []string{"PATH=" + folder} }
	if p := start(t, "run --python -- -m pytest -q", "", path); p.end() != 0 || p.stdout.String() != "three -m pytest -q\n" {
		t.Errorf("python3 alone: %q", p.stdout.String())
	}
	write(t, filepath.Join(folder, "python"), "#!/bin/sh\necho \"two $*\"\n", 0o755)
	if p := start(t, "run --python -- -V", "", path); p.end() != 0 || p.stdout.String() != "two -V\n" {
		t.Errorf("both: %q", p.stdout.String())
	}
	record := filepath.Join(t.TempDir(), "exit.json")
	none := start(t, "run --python --timeout 60s --wait never=tcp://"+closedPort(t)+" --record "+record+" -- -V", "", func(c *exec.Cmd) { c.Env = []string{"PATH=/nowhere"} })
	if status := none.end(); status != exitNotFound {
		t.Errorf("none: status %d, and it should not wait first", status)
	}
	if r := readRecord(t, record); r.Error == nil || !strings.HasPrefix(*r.Error, "executable not found: python") {
		t.Errorf("none: %+v", r)
	}
}

func TestRecordOfEachEnding(t *testing.T) {
	for _, test := range []struct {
		script string
		status int
		code   int
		signal string
	}{
		{"exit 0", 0, 0, ""},
		{"exit 1", 1, 1, ""},
		{"exit 255", 255, 255, ""},
		{"kill -KILL $$", 137, 0, "SIGKILL"},
		{"kill -SEGV $$", 139, 0, "SIGSEGV"},
	} {
		path := filepath.Join(t.TempDir(), "exit.json")
		write(t, path, "of an earlier process", 0o644)
		status := start(t, "run --record "+path, test.script).end()
		r := readRecord(t, path)
		ok := r.Error == nil && !r.TimedOut && !r.OOMKilled && !r.GateTimeout && r.StartedAt != nil && len(r.Lost) == 0
		if test.signal == "" {
			ok = ok && r.Signal == nil && r.ExitCode != nil && *r.ExitCode == test.code
		} else {
			ok = ok && r.ExitCode == nil && r.Signal != nil && *r.Signal == test.signal
		}
		if !ok || status != test.status {
			t.Errorf("%s: status %d, record %s", test.script, status, read(t, path))
		}
	}
}

func TestRecordHasEveryField(t *testing.T) {
	path := filepath.Join(t.TempDir(), "exit.json")
	start(t, "run --record "+path, "exit 3").end()
	times := regexp.MustCompile(`\d{10}\.?\d*`)
	want := `{"exitCode":3,"signal":null,"timedOut":false,"oomKilled":false,"gateTimeout":false,"notReady":[],"startedAt":T,"endedAt":T,"code":null,"error":null,"lost":[]}` + "\n"
	if got := times.ReplaceAllString(read(t, path), "T"); got != want {
		t.Errorf("got  %swant %s", got, want)
	}
}

func TestLostDependencyIsRecorded(t *testing.T) {
	for script, wantLost := range map[string]bool{"exit 1": true, "kill -KILL $$": true, "exit 0": false} {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		stays := serve(t, func(net.Conn) {})
		folder := t.TempDir()
		p := start(t, fmt.Sprintf("run --record %s/exit.json --wait gone=tcp://%s --wait stays=tcp://%s", folder, listener.Addr(), stays),
			fmt.Sprintf("touch %[1]s/runs; while [ ! -e %[1]s/go ]; do sleep 0.01; done; %[2]s", folder, script))
		until(t, "the command runs", func() bool { return exists(folder + "/runs") })
		listener.Close()
		write(t, folder+"/go", "", 0o644)
		p.end()
		r := readRecord(t, folder+"/exit.json")
		if wantLost && (len(r.Lost) != 1 || r.Lost[0].Name != "gone" || r.Lost[0].Error != "connection refused") || !wantLost && len(r.Lost) != 0 {
			t.Errorf("%s: lost %+v", script, r.Lost)
		}
	}
}

func TestGateTimeOut(t *testing.T) {
	folder, address := t.TempDir(), closedPort(t)
	write(t, folder+"/termination-log", "", 0o644)
	want := "not ready after 0.2s: api (tcp://" + address + ": connection refused)"
	p := start(t, fmt.Sprintf("run --timeout 200ms --wait api=tcp://%s --record %[2]s/exit.json --gates %[2]s/gates.jsonl --termination-log %[2]s/termination-log", address, folder),
		"touch "+folder+"/ran")
	if status := p.end(); status != exitGateTimeout || p.stderr.String() != "seatrial: "+want+"\n" || exists(folder+"/ran") {
		t.Errorf("status %d, %q", status, p.stderr.String())
	}
	if got := readTermination(t, folder+"/termination-log"); got.Code != "gates-timed-out" || got.Message != want {
		t.Errorf("termination message %+v, want %q", got, want)
	}
	r := readRecord(t, folder+"/exit.json")
	if !r.GateTimeout || *r.Code != codeGatesTimedOut || r.ExitCode != nil || r.StartedAt != nil || r.Error != nil || len(r.NotReady) != 1 || r.NotReady[0].Name != "api" {
		t.Errorf("record: %+v", r)
	}
	events := readEvents(t, folder+"/gates.jsonl")
	if last := events[len(events)-1]; last.Event != "timeout" || len(last.NotReady) != 1 || last.NotReady[0].Error != "connection refused" {
		t.Errorf("events: %+v", events)
	}
}

func TestWait(t *testing.T) {
	address := serve(t, func(net.Conn) {})
	if status := start(t, "wait --wait a=tcp://"+address, "").end(); status != 0 {
		t.Errorf("ready: status %d", status)
	}
	if status := start(t, "wait", "").end(); status != 0 {
		t.Errorf("nothing to wait for: status %d", status)
	}
	if status := start(t, "wait --timeout 100ms --wait a=tcp://"+closedPort(t), "").end(); status != exitGateTimeout {
		t.Errorf("not ready: status %d", status)
	}
}

func TestStoppedWhileWaiting(t *testing.T) {
	folder := t.TempDir()
	p := start(t, fmt.Sprintf("run --wait api=tcp://%s --record %[2]s/exit.json --gates %[2]s/gates.jsonl", closedPort(t), folder), "true")
	until(t, "the gate waits", func() bool { return exists(folder+"/gates.jsonl") && read(t, folder+"/gates.jsonl") != "" })
	p.Process.Signal(syscall.SIGTERM)
	if status := p.end(); status != 128+15 {
		t.Errorf("status %d", status)
	}
	r := readRecord(t, folder+"/exit.json")
	if r.GateTimeout || *r.Code != codeStopped || r.Error != nil || r.Signal == nil || *r.Signal != "SIGTERM" || r.StartedAt != nil || len(r.NotReady) != 1 {
		t.Errorf("record: %s", read(t, folder+"/exit.json"))
	}
	if got := p.stderr.String(); !strings.HasPrefix(got, "seatrial: stopped by SIGTERM before the start, while waiting for api (tcp://") {
		t.Errorf("log: %q", got)
	}
}

func TestSignalsReachTheWholeGroup(t *testing.T) {
	folder := t.TempDir()
	script := `trap 'echo parent; exit 42' TERM; (trap 'echo child; exit' TERM; touch ` + folder + `/runs; while :; do sleep 0.01; done) & while :; do sleep 0.01; done`
	p := start(t, "run --record "+folder+"/exit.json --output "+folder+"/output.log", script)
	until(t, "the command runs", func() bool { return exists(folder + "/runs") })
	p.Process.Signal(syscall.SIGTERM)
	if status := p.end(); status != 42 || !strings.Contains(p.stdout.String(), "parent\n") || !strings.Contains(p.stdout.String(), "child\n") {
		t.Errorf("status %d, %q", status, p.stdout.String())
	}
	if r := readRecord(t, folder+"/exit.json"); r.ExitCode == nil || *r.ExitCode != 42 || r.TimedOut {
		t.Errorf("record: %+v", r)
	}
}

func TestRunTimeOut(t *testing.T) {
	for name, test := range map[string]struct {
		script, signal string
		code           int
	}{
		"ends on SIGTERM": {"exec sleep 100", "SIGTERM", 0},
		"ends in its way": {"trap 'exit 0' TERM; while :; do sleep 0.01; done", "", 0},
		"ignores SIGTERM": {"trap '' TERM; while :; do sleep 0.1; done", "SIGKILL", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "exit.json")
			p := start(t, "run --run-timeout 200ms --record "+path, test.script)
			if status := p.end(); status != exitRunTimeout || !strings.Contains(p.stderr.String(), "ran longer than 0.2s") {
				t.Errorf("status %d, %q", status, p.stderr.String())
			}
			r := readRecord(t, path)
			if !r.TimedOut || test.signal != "" && (r.Signal == nil || *r.Signal != test.signal) || test.signal == "" && (r.ExitCode == nil || *r.ExitCode != 0) {
				t.Errorf("record: %s", read(t, path))
			}
		})
	}
}

func TestOutputIsKeptInOrderAndUpToItsLimit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "output.log")
	p := start(t, "run --output "+path, "echo one; echo two >&2; printf three")
	if p.end() != 0 || read(t, path) != "one\ntwo\nthree" || p.stdout.String() != "one\ntwo\nthree" || p.stderr.String() != "" {
		t.Errorf("file %q, stdout %q, stderr %q", read(t, path), p.stdout.String(), p.stderr.String())
	}
	const size = 3 << 20
	p = start(t, "run --output-limit 1MiB --output "+path, fmt.Sprintf("head -c %d /dev/zero; echo end", size))
	if status := p.end(); status != 0 || p.stdout.Len() != size+4 {
		t.Errorf("status %d, %d bytes shown", status, p.stdout.Len())
	}
	kept := read(t, path)
	if want := "\nseatrial: the output is cut off here, at its limit of 1 MiB; the container's log may have more\n"; kept[1<<20:] != want {
		t.Errorf("after the limit: %d bytes, %.200q", len(kept)-1<<20, kept[1<<20:])
	}
	p = start(t, "run --output-limit 4 --output "+path, "printf 1234")
	if p.end() != 0 || read(t, path) != "1234" {
		t.Errorf("exactly the limit: %q", read(t, path))
	}
}

func TestOutputArrivesAtOnce(t *testing.T) {
	folder := t.TempDir()
	p := start(t, "run --output "+folder+"/output.log", "printf started; while [ ! -e "+folder+"/go ]; do sleep 0.01; done")
	until(t, "the first word is in the file", func() bool { return exists(folder+"/output.log") && read(t, folder+"/output.log") == "started" })
	write(t, folder+"/go", "", 0o644)
	p.end()
}

func TestOutputToAFullDisk(t *testing.T) {
	p := start(t, "run --output /dev/full", "head -c 1000000 /dev/zero; exit 3")
	if status := p.end(); status != 3 || p.stdout.Len() != 1000000 || strings.Count(p.stderr.String(), "/dev/full ends early") != 1 {
		t.Errorf("status %d, %d bytes shown, %q", status, p.stdout.Len(), p.stderr.String())
	}
}

func TestRecordSurvivesAFullDisk(t *testing.T) {
	folder := t.TempDir()
	if err := syscall.Mount("tmpfs", folder, "tmpfs", 0, "size=256k"); err != nil {
		t.Skip("can't mount a small disk: ", err)
	}
	t.Cleanup(func() { syscall.Unmount(folder, syscall.MNT_DETACH) })
	p := start(t, fmt.Sprintf("run --record %[1]s/exit.json --output %[1]s/output.log --gates %[1]s/gates.jsonl", folder),
		fmt.Sprintf("head -c 1000000 /dev/zero; cat /dev/zero > %s/more 2>&-; exit 4", folder))
	if status := p.end(); status != 4 || p.stdout.Len() < 1000000 {
		t.Errorf("status %d, %d bytes shown, %q", status, p.stdout.Len(), p.stderr.String())
	}
	if r := readRecord(t, folder+"/exit.json"); r.ExitCode == nil || *r.ExitCode != 4 {
		t.Errorf("record: %+v", r)
	}
}

func TestReaderOfOurOutputGoesAway(t *testing.T) {
	folder := t.TempDir()
	read1, write1, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p := start(t, fmt.Sprintf("run --record %[1]s/exit.json --output %[1]s/output.log", folder),
		fmt.Sprintf("while [ ! -e %s/go ]; do sleep 0.01; done; echo a; sleep 0.05; echo b; exit 5", folder), func(c *exec.Cmd) { c.Stdout = write1 })
	write1.Close()
	read1.Close()
	write(t, folder+"/go", "", 0o644)
	if status := p.end(); status != 5 || read(t, folder+"/output.log") != "a\nb\n" {
		t.Errorf("status %d, kept %q", status, read(t, folder+"/output.log"))
	}
}

func TestWhatTheCommandLeftBehindIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	for name, leftover := range map[string]string{
		"in its group":  "sleep 100 & echo $! > %s/pid",
		"out of it too": "setsid sh -c 'echo $$ > %s/pid; exec sleep 100' & :",
	} {
		folder := t.TempDir()
		script := fmt.Sprintf("echo before; "+leftover, folder) + "; while [ ! -s " + folder + "/pid ]; do sleep 0.01; done; exit 6"
		p := start(t, fmt.Sprintf("run --record %[1]s/exit.json --output %[1]s/output.log", folder), script, func(c *exec.Cmd) { c.WaitDelay = time.Second })
		pid := 0
		p.Wait() // "out of it too" keeps our pipe open as well: an error, after WaitDelay
		fmt.Sscanf(read(t, folder+"/pid"), "%d", &pid)
		if status := p.ProcessState.ExitCode(); status != 6 || read(t, folder+"/output.log") != "before\n" {
			t.Errorf("%s: status %d, kept %q", name, status, read(t, folder+"/output.log"))
		}
		if name == "in its group" {
			until(t, "the leftover is gone", func() bool { return syscall.Kill(pid, 0) == syscall.ESRCH })
		} else {
			syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}

// states lists the states of a process' children: S sleeping, Z ended and not reaped.
func states(t *testing.T, pid int) string {
	t.Helper()
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if len(threads) == 0 {
		t.Skip("the kernel does not list children")
	}
	all := ""
	for _, thread := range threads {
		children, _ := os.ReadFile(thread)
		for _, child := range strings.Fields(string(children)) {
			if stat, err := os.ReadFile("/proc/" + child + "/stat"); err == nil {
				all += string(stat[bytes.LastIndexByte(stat, ')')+2])
			}
		}
	}
	return all
}

func TestOrphansAreReaped(t *testing.T) {
	folder := t.TempDir()
	p := start(t, "run --record "+folder+"/exit.json",
		fmt.Sprintf("for i in 1 2 3 4 5; do (sleep 0.05 &) ; done; touch %[1]s/runs; while [ ! -e %[1]s/go ]; do read x < %[1]s/fifo; done; exit 8", folder))
	if err := syscall.Mkfifo(folder+"/fifo", 0o600); err != nil {
		t.Fatal(err)
	}
	until(t, "the command has made its orphans", func() bool { return exists(folder + "/runs") })
	until(t, "only the command is left", func() bool { return len(states(t, p.Process.Pid)) == 1 })
	write(t, folder+"/go", "", 0o644)
	if fifo, err := os.OpenFile(folder+"/fifo", os.O_WRONLY, 0); err == nil {
		fifo.Close()
	}
	if status := p.end(); status != 8 {
		t.Errorf("status %d", status)
	}
}

// asPID1 runs the launcher as in a container.
func asPID1(t *testing.T) func(*exec.Cmd) {
	t.Helper()
	attributes := &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWPID | syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	try := exec.Command(launcher(), "version")
	try.SysProcAttr = attributes
	if err := try.Run(); err != nil {
		t.Skip("no PID namespaces here: ", err)
	}
	return func(c *exec.Cmd) { c.SysProcAttr = attributes }
}

func TestAsPID1TheStatusIsNeverLostAmongOrphans(t *testing.T) {
	first := asPID1(t)
	for i := range 20 {
		path := filepath.Join(t.TempDir(), "exit.json")
		p := start(t, "run --record "+path, fmt.Sprintf("for i in 1 2 3 4 5 6 7 8; do (sh -c 'exit 1' &) ; done; echo $$; exit %d", 30+i), first)
		if status := p.end(); status != 30+i || p.stdout.String() == "1\n" {
			t.Fatalf("status %d, want %d; the command had the pid %s", status, 30+i, p.stdout.String())
		}
		if r := readRecord(t, path); r.ExitCode == nil || *r.ExitCode != 30+i {
			t.Fatalf("record: %+v", r)
		}
	}
}

func TestAsPID1SignalsWork(t *testing.T) {
	first, folder := asPID1(t), t.TempDir()
	waiting := start(t, "wait --wait a=tcp://"+closedPort(t)+" --gates "+folder+"/gates.jsonl", "", first)
	until(t, "the gate waits", func() bool { return exists(folder+"/gates.jsonl") && read(t, folder+"/gates.jsonl") != "" })
	waiting.Process.Signal(syscall.SIGTERM)
	if status := waiting.end(); status != 128+15 {
		t.Errorf("waiting: status %d", status)
	}
	running := start(t, "run --record "+folder+"/exit.json", "touch "+folder+"/runs; exec sleep 100", first)
	until(t, "the command runs", func() bool { return exists(folder + "/runs") })
	running.Process.Signal(syscall.SIGTERM)
	if status := running.end(); status != 128+15 {
		t.Errorf("running: status %d", status)
	}
	if r := readRecord(t, folder+"/exit.json"); r.Signal == nil || *r.Signal != "SIGTERM" {
		t.Errorf("record: %+v", r)
	}
}

func TestBeacon(t *testing.T) {
	path := filepath.Join(t.TempDir(), "exit.json")
	p := start(t, "run --beacon 127.0.0.1:0 --record "+path, "(sh -c 'sleep 0.05' &); echo migrated")
	address := regexp.MustCompile(`answering on (\S+)`)
	until(t, "the beacon is lit", func() bool { return address.MatchString(p.stderr.String()) })
	url := "http://" + address.FindStringSubmatch(p.stderr.String())[1]
	if r := readRecord(t, path); r.ExitCode == nil || *r.ExitCode != 0 {
		t.Errorf("record: %+v", r)
	}
	for _, request := range []string{"/", "/any/path?x=y"} {
		response, err := http.Get(url + request)
		if err != nil {
			t.Fatal(err)
		}
		if io.Copy(io.Discard, response.Body); response.StatusCode != 200 {
			t.Errorf("%s: %s", request, response.Status)
		}
		response.Body.Close()
	}
	if got := ask(t, strings.Replace(url, "http", "tcp", 1), nil); got != "" {
		t.Errorf("a gate before it: %q", got)
	}
	until(t, "no child is left unreaped", func() bool { return states(t, p.Process.Pid) == "" })
	p.Process.Signal(syscall.SIGTERM)
	if status := p.end(); status != 0 {
		t.Errorf("status %d after SIGTERM", status)
	}
}

func TestNoBeaconAfterAFailureOrOnATakenPort(t *testing.T) {
	if p := start(t, "run --beacon 127.0.0.1:0", "exit 9"); p.end() != 9 {
		t.Errorf("after a failure: status %d", p.ProcessState.ExitCode())
	}
	taken := serve(t, func(net.Conn) {})
	if p := start(t, "run --beacon "+taken, "true"); p.end() != exitIO || !strings.Contains(p.stderr.String(), "address already in use") {
		t.Errorf("taken port: status %d, %q", p.ProcessState.ExitCode(), p.stderr.String())
	}
}

func TestUnwritableFilesAreToldBeforeTheStart(t *testing.T) {
	for _, flag := range []string{"--record", "--output", "--gates"} {
		p := start(t, "run "+flag+" /nonexistent/file", "echo ran")
		if status := p.end(); status != exitIO || p.stdout.String() != "" || !strings.Contains(p.stderr.String(), flag+": ") {
			t.Errorf("%s: status %d, %q", flag, status, p.stderr.String())
		}
	}
}

func TestCopyThenRunThere(t *testing.T) {
	source, target := configMap(t), filepath.Join(t.TempDir(), "tests")
	p := start(t, fmt.Sprintf("run --copy %s:%s --chdir %s", source, target, target), "cat test_a.py deep/test_b.py")
	if p.end() != 0 || p.stdout.String() != "ab" {
		t.Errorf("%q %q", p.stdout.String(), p.stderr.String())
	}
	record := filepath.Join(t.TempDir(), "exit.json")
	p = start(t, fmt.Sprintf("run --record %s --copy /nonexistent:%s", record, target), "true")
	if r := p.end(); r != exitIO || readRecord(t, record).Error == nil {
		t.Errorf("status %d, record %s", r, read(t, record))
	}
	if p := start(t, "copy "+source+" "+target+"2", ""); p.end() != 0 || read(t, target+"2/test_a.py") != "a" {
		t.Errorf("copy: %q", p.stderr.String())
	}
}

func TestPasswordsStayOutOfEverything(t *testing.T) {
	folder := t.TempDir()
	write(t, folder+"/termination-log", "", 0o644)
	address := serve(t, fakePostgres{"scram", "right"}.serve)
	p := start(t, fmt.Sprintf("run --timeout 200ms --wait db=postgres://me@%s/db?password-env=PW --record %[2]s/exit.json --gates %[2]s/gates.jsonl --termination-log %[2]s/termination-log", address, folder),
		"true", func(c *exec.Cmd) { c.Env = append(os.Environ(), "PW=hunter2") })
	if status := p.end(); status != exitGateTimeout {
		t.Errorf("status %d", status)
	}
	all := p.stderr.String() + p.stdout.String() + read(t, folder+"/exit.json") + read(t, folder+"/gates.jsonl") + read(t, folder+"/termination-log")
	if strings.Contains(all, "hunter2") || !strings.Contains(all, "password authentication failed") {
		t.Error(all)
	}
}
