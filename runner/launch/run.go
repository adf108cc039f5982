package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// forwarded are the signals that the command gets when the launcher gets them.
var forwarded = []os.Signal{syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGCONT, syscall.SIGWINCH}

// stops reports whether a signal asks a process to end.
func stops(s syscall.Signal) bool {
	return s == syscall.SIGHUP || s == syscall.SIGINT || s == syscall.SIGQUIT || s == syscall.SIGTERM
}

// run does `launch run` and `launch wait`: everything in the order files, gate, command, record, beacon.
func run(o options, started time.Time) int {
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, forwarded...)

	files, err := openFiles(&o)
	if err != nil {
		return giveUp(asFailure(err), o.terminationLog)
	}
	result := record{NotReady: []unready{}, Lost: []unready{}}
	// end finishes without a command having run.
	end := func(f failure) int {
		result.EndedAt, result.Code = unixSeconds(time.Now()), &f.code
		if err := files.record.commit(result); err != nil {
			logf("%v", err)
		}
		return giveUp(f, o.terminationLog)
	}
	fail := func(err error) int {
		f := asFailure(err)
		result.Error = &f.text
		return end(f)
	}
	stop := func(s syscall.Signal, notReady []unready) int {
		name, text := signalName(s), ""
		if len(notReady) > 0 {
			result.NotReady, text = notReady, ", while waiting for "+joined(notReady)
		}
		result.Signal = &name
		return end(failure{exitSignal + int(s), codeStopped, "stopped by " + name + " before the start" + text})
	}

	// A copy of a large folder takes as long as services do to start, so neither waits for the other.
	waiting, prepared := o, make(chan error, 1)
	files.record.expectKey(o.key, started.Add(o.timeout))
	go func() {
		if err := prepare(&o, files.journal, started); err != nil {
			prepared <- err
			return
		}
		prepared <- files.record.waitForKey()
	}()
	stopped, notReady, err := waitFor(waiting, files.journal, started, signals, prepared)
	switch {
	case err != nil:
		return fail(err)
	case stopped != 0:
		return stop(stopped, notReady)
	case len(notReady) > 0:
		result.GateTimeout, result.NotReady = true, notReady
		code := codeGatesTimedOut
		if notReady[0].Code != "" { // those behind it may be consequences
			code = notReady[0].Code
		}
		return end(failure{exitGateTimeout, code, fmt.Sprintf("not ready after %s: %s", secondsText(o.timeout), joined(notReady))})
	case len(o.command) == 0:
		return 0
	case !o.supervised():
		signal.Reset()
		select {
		case s := <-signals: // came just before, when we were still the ones to act on it
			if number := s.(syscall.Signal); stops(number) {
				return stop(number, nil)
			}
		default:
		}
		return fail(replace(o))
	}

	forwards, err := startForwards(o.forwards)
	if err != nil {
		return fail(err)
	}
	ended, err := supervise(o, files, signals)
	forwards.close()
	if err != nil {
		return fail(err)
	}
	ended.fill(&result)
	status := ended.exitStatus()
	if status != 0 {
		result.Lost = lost(o.dependencies)
		ended.explain(o, result)
	}
	endOthers()
	if err := files.record.commit(result); err != nil {
		logf("%v", err)
		if status == 0 { // without the record nobody can know that it succeeded
			return exitIO
		}
	}
	if status == 0 {
		for _, clone := range o.clones {
			if err := clone.make(); err != nil {
				return giveUp(asFailure(err), o.terminationLog)
			}
		}
	}
	if status == 0 && o.beacon != "" && !ended.asked {
		if err := serveBeacon(o.beacon, signals); err != nil {
			return giveUp(asFailure(err), o.terminationLog)
		}
	}
	return status
}

// secondsText is a duration as Kubernetes' users write it: 300s, 1.5s.
func secondsText(d time.Duration) string {
	return strings.TrimSuffix(strings.TrimRight(fmt.Sprintf("%.3f", d.Seconds()), "0"), ".") + "s"
}

// runFiles are what a run writes. Each is opened before anything else, so that a wrong path is reported at once.
type runFiles struct {
	journal *journal
	record  *recorder
	output  *os.File // nil without --output
}

func openFiles(o *options) (files runFiles, err error) {
	for flag, path := range map[string]*string{"--gates": &o.gates, "--record": &o.record, "--key": &o.key, "--output": &o.output} {
		if *path == "" {
			continue
		}
		if *path, err = filepath.Abs(*path); err != nil { // --chdir must not move it
			return files, fmt.Errorf("%s: %w", flag, err)
		}
	}
	if files.journal, err = openJournal(o.gates); err != nil {
		return files, fmt.Errorf("--gates: %w", err)
	}
	if files.record, err = openRecorder(o.record); err != nil {
		return files, fmt.Errorf("--record: %w", err)
	}
	if o.output != "" {
		if files.output, err = os.OpenFile(o.output, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o644); err != nil {
			return files, fmt.Errorf("--output: %w", err)
		}
	}
	return files, nil
}

// prepare does what need not wait for anyone: files, folder, environment, and finding the command.
func prepare(o *options, journal *journal, started time.Time) error {
	var coming *laying
	if o.bundle != nil {
		os.Unsetenv(bundleToken)
		coming = o.bundle.fetch(started.Add(o.timeout))
	}
	if err := copyWorkdirs(o); err != nil {
		return err
	}
	if coming != nil {
		if err := coming.lay(o.workdirs, journal, started); err != nil {
			return err
		}
	}
	for _, copy := range o.copies {
		if err := copyFolder(copy.left, copy.right); err != nil {
			return err
		}
	}
	if o.chdir != "" {
		if err := os.Chdir(o.chdir); err != nil {
			return fmt.Errorf("--chdir: %w", err)
		}
		if folder, err := os.Getwd(); err == nil {
			os.Setenv("PWD", folder)
		}
	}
	for _, variable := range o.prepend {
		value := variable.right
		if present := os.Getenv(variable.left); present != "" {
			value += ":" + present
		}
		if err := os.Setenv(variable.left, value); err != nil {
			return fmt.Errorf("--prepend-env %s: %w", variable.left, err)
		}
	}
	if len(o.command) == 0 {
		return nil
	}
	return findCommand(o)
}

// waitFor returns when the gate is open and everything is prepared, or when one of them can't be. It returns the signal that stopped
// the waiting, if one did, what was not ready then, and what went wrong with the preparation.
func waitFor(o options, journal *journal, started time.Time, signals <-chan os.Signal, prepared <-chan error) (stopped syscall.Signal, notReady []unready, err error) {
	ctx, cancel := context.WithDeadline(context.Background(), started.Add(o.timeout))
	defer cancel()
	gate := gate{dependencies: o.dependencies, journal: journal, started: started}
	opened := make(chan []unready, 1)
	go func() { opened <- gate.wait(ctx) }()
	for missing := 2; missing > 0; {
		select {
		case s := <-signals:
			if number := s.(syscall.Signal); stops(number) {
				cancel()
				if opened != nil {
					notReady = <-opened
				}
				return number, notReady, nil
			}
		case err := <-prepared:
			if err != nil {
				return 0, nil, err
			}
			missing--
			prepared = nil
		case notReady := <-opened:
			if len(notReady) > 0 {
				journal.write(event{Event: "timeout", NotReady: notReady})
				return 0, notReady, nil
			}
			if len(o.dependencies) > 0 {
				logf("everything answers after %.2f s", time.Since(started).Seconds())
			}
			missing--
			opened = nil
		}
	}
	return 0, nil, nil
}

// replace makes this process the command. It returns only when that is not possible.
func replace(o options) error {
	path, err := executablePath(o.command[0])
	if err != nil {
		return err
	}
	return startError(o.command[0], path, syscall.Exec(path, o.command, os.Environ()))
}
