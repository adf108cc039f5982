package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

// record is the --record file: how the command ended, or why it never started. Times are Unix times in seconds.
type record struct {
	ExitCode    *int      `json:"exitCode"`
	Signal      *string   `json:"signal"`
	TimedOut    bool      `json:"timedOut"`
	OOMKilled   bool      `json:"oomKilled"`
	GateTimeout bool      `json:"gateTimeout"`
	NotReady    []unready `json:"notReady"`
	StartedAt   *float64  `json:"startedAt"` // null: the command never started
	EndedAt     float64   `json:"endedAt"`
	Code        *string   `json:"code"`  // why it never started: one of the codes of termination.go
	Error       *string   `json:"error"` // the same for people
	Lost        []unready `json:"lost"`
}

// recorder writes the record in one piece. A nil recorder writes nothing.
type recorder struct {
	path string
	file *os.File
	key  *key // nil without --key
}

// recordReserve is more than a record needs. The space is taken at the start, because at the end the disk may be full of the command's output.
const recordReserve = 64 << 10

func openRecorder(path string) (*recorder, error) {
	if path == "" {
		return nil, nil
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) { // of an earlier process; it must not be taken for ours
		return nil, err
	}
	file, err := os.OpenFile(path+".partial", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	err = syscall.Fallocate(int(file.Fd()), 0, 0, recordReserve)
	if errors.Is(err, syscall.EOPNOTSUPP) || errors.Is(err, syscall.ENOSYS) { // then by hand
		_, err = file.WriteAt(make([]byte, recordReserve), 0)
	}
	if err != nil {
		return nil, fmt.Errorf("can't reserve %s for %s: %w", sizeText(recordReserve), path, err)
	}
	return &recorder{path: path, file: file}, nil
}

// commit makes the record appear under its name, whole. What the command put there goes.
func (r *recorder) commit(result record) error {
	if r == nil {
		return nil
	}
	content, err := json.Marshal(result)
	if err != nil {
		return err
	}
	content = append(content, '\n')
	if line := r.key.known(); line != "" {
		content = append([]byte(line+"\n"), content...)
	}
	if err = os.RemoveAll(r.path); err == nil {
		err = r.reopen()
	}
	if err == nil {
		_, err = r.file.WriteAt(content, 0)
	}
	if err == nil {
		err = r.file.Truncate(int64(len(content)))
	}
	if closeErr := r.file.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(r.file.Name(), r.path)
	}
	if err != nil {
		return fmt.Errorf("can't write the record of the end: %w", err)
	}
	return nil
}

// expectKey begins to wait for the --key file.
func (r *recorder) expectKey(path string, deadline time.Time) {
	if r != nil && path != "" {
		r.key = expectKey(path, deadline)
	}
}

// waitForKey returns when the key is taken, or can't be.
func (r *recorder) waitForKey() error {
	if r == nil || r.key == nil {
		return nil
	}
	<-r.key.done
	return r.key.err
}

// reopen makes the reserved file anew if another one has its name.
func (r *recorder) reopen() error {
	ours, err := r.file.Stat()
	if err != nil {
		return err
	}
	if there, err := os.Lstat(r.file.Name()); err == nil && os.SameFile(ours, there) {
		return nil
	}
	if err := os.RemoveAll(r.file.Name()); err != nil {
		return err
	}
	file, err := os.OpenFile(r.file.Name(), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err == nil {
		r.file.Close()
		r.file = file
	}
	return err
}
