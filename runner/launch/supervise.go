package main

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

const (
	killAfter  = 5 * time.Second // from SIGTERM at the run's time-out to SIGKILL
	drainFor   = time.Second     // how long output may still come from what the command left behind
	drainAfter = 200 * time.Millisecond
)

// ending is how a command ended.
type ending struct {
	status   syscall.WaitStatus
	timedOut bool
	oom      bool
	asked    bool // the launcher received a signal to stop, and passed it on
	started  time.Time
	ended    time.Time
}

// supervise runs the command as a child in a process group of its own until it has ended, and ends what is left of the group.
func supervise(o options, files runFiles, signals <-chan os.Signal) (ending, error) {
	// A reader of our output that goes away (EPIPE) must not end the launcher. Not ignored, because the command would inherit that.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	oom := newOOMCounter("/")
	stdout := os.Stdout
	var output *tee
	if files.output != nil {
		read, write, err := os.Pipe()
		if err != nil {
			return ending{}, err
		}
		output, stdout = newTee(read, os.Stdout, files.output, o.outputLimit), write
	}
	e := ending{started: time.Now()}
	child, err := startChild(o.command, stdout, output != nil)
	if output != nil {
		stdout.Close()
	}
	if err != nil {
		return ending{}, err
	}

	var timeout, kill <-chan time.Time
	if o.runTimeout > 0 {
		timeout = time.After(o.runTimeout)
	}
	for running := true; running; {
		select {
		case e.status = <-child.ended:
			running = false
		case s := <-signals:
			e.asked = e.asked || stops(s.(syscall.Signal))
			child.signal(s.(syscall.Signal))
		case <-timeout:
			e.timedOut = true
			child.signal(syscall.SIGTERM)
			kill = time.After(killAfter)
		case <-kill:
			child.signal(syscall.SIGKILL)
		}
	}
	e.ended = time.Now()
	e.oom = oom.risen()
	if output != nil && !output.drained(drainFor) {
		child.signal(syscall.SIGKILL)
		output.drained(drainAfter)
	}
	child.signal(syscall.SIGKILL)
	return e, nil
}

// child is the command, running in a process group with its own pid as number.
type child struct {
	pid   int
	ended chan syscall.WaitStatus
}

// startChild starts the command and the reaper. stderr goes where stdout goes if joined, and stays the launcher's own otherwise.
func startChild(command []string, stdout *os.File, joined bool) (*child, error) {
	path, err := executablePath(command[0])
	if err != nil {
		return nil, err
	}
	stderr := os.Stderr
	if joined {
		stderr = stdout
	}
	becomeSubreaper()
	deaths := make(chan os.Signal, 1)
	signal.Notify(deaths, syscall.SIGCHLD)
	// Not os/exec, which waits for its own child: one reaper must see every death, so that the status of the command can't get lost.
	pid, err := syscall.ForkExec(path, command, &syscall.ProcAttr{
		Env:   os.Environ(),
		Files: []uintptr{os.Stdin.Fd(), stdout.Fd(), stderr.Fd()},
		Sys:   &syscall.SysProcAttr{Setpgid: true},
	})
	if err != nil {
		signal.Stop(deaths)
		return nil, startError(command[0], path, err)
	}
	c := &child{pid, make(chan syscall.WaitStatus, 1)}
	go c.reap(deaths)
	return c, nil
}

// signal sends a signal to the whole group.
func (c *child) signal(s syscall.Signal) {
	if err := syscall.Kill(-c.pid, s); err != nil && !errors.Is(err, syscall.ESRCH) {
		logf("can't send %s to the command: %v", signalName(s), err)
	}
}

// reap collects every process that ended, also orphans that the kernel handed to this process, for as long as the launcher lives.
func (c *child) reap(deaths <-chan os.Signal) {
	for {
		for {
			var status syscall.WaitStatus
			pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
			if errors.Is(err, syscall.EINTR) {
				continue
			}
			if err != nil || pid == 0 {
				break
			}
			if pid == c.pid {
				c.ended <- status
			}
		}
		<-deaths
	}
}

// becomeSubreaper makes orphans of the command ours also where another process is PID 1 (pods that share one process namespace).
func becomeSubreaper() {
	const prSetChildSubreaper = 36
	if _, _, errno := syscall.RawSyscall(syscall.SYS_PRCTL, prSetChildSubreaper, 1, 0); errno != 0 {
		logf("orphans of the command are left to PID 1: %v", errno)
	}
}

// exitStatus is the launcher's own for this ending.
func (e ending) exitStatus() int {
	switch {
	case e.timedOut:
		return exitRunTimeout
	case e.status.Signaled():
		return exitSignal + int(e.status.Signal())
	}
	return e.status.ExitStatus()
}

func (e ending) fill(r *record) {
	if e.status.Signaled() {
		name := signalName(e.status.Signal())
		r.Signal = &name
	} else {
		code := e.status.ExitStatus()
		r.ExitCode = &code
	}
	started := unixSeconds(e.started)
	r.StartedAt, r.EndedAt = &started, unixSeconds(e.ended)
	r.TimedOut, r.OOMKilled = e.timedOut, e.oom
}

// explain logs what the command itself can't have logged.
func (e ending) explain(o options, r record) {
	if e.timedOut {
		logf("the command was stopped: it ran longer than %s", secondsText(o.runTimeout))
	} else if e.status.Signaled() {
		logf("the command was ended by %s", *r.Signal)
	}
	if e.oom {
		logf("the container used up its memory, and the kernel killed a process in it: raise its memory limit")
	}
	if len(r.Lost) > 0 {
		logf("no longer answers: %s", joined(r.Lost))
	}
}

var signalNames = strings.Fields("HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS")

func signalName(s syscall.Signal) string {
	if s < 1 || int(s) > len(signalNames) {
		return fmt.Sprintf("SIG%d", int(s))
	}
	return "SIG" + signalNames[s-1]
}
