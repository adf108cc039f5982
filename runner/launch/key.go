package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"time"
)

const (
	keyPoll  = 5 * time.Millisecond // between two looks for the key
	keyGrace = 5 * time.Second      // how long a record that is due waits for its key
	keyBytes = 1 << 10              // more than a key has
)

// key is the first line of the record, by which the collector knows that the launcher wrote it.
type key struct {
	done chan struct{} // closed when the others are set
	line string
	err  error
}

func expectKey(path string, deadline time.Time) *key {
	k := &key{done: make(chan struct{})}
	go func() {
		defer close(k.done)
		k.line, k.err = takeKey(path, deadline)
	}()
	return k
}

// known is the key's line, "" if there is none. No command has started without one.
func (k *key) known() string {
	if k == nil {
		return ""
	}
	select {
	case <-k.done:
		return k.line
	case <-time.After(keyGrace):
		return ""
	}
}

// takeKey reads the --key file and deletes it, so that the command can't: a record that begins with the key is the launcher's own.
// The collector writes the file, whole, when it starts.
func takeKey(path string, deadline time.Time) (string, error) {
	for {
		file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW, 0)
		if err == nil {
			defer file.Close()
			content, err := io.ReadAll(io.LimitReader(file, keyBytes))
			if err == nil {
				err = os.Remove(path)
			}
			if err == nil {
				err = hideMemory()
			}
			if err != nil {
				return "", fmt.Errorf("--key: %w", err)
			}
			return strings.TrimSpace(string(content)), nil
		}
		if !errors.Is(err, os.ErrNotExist) {
			return "", fmt.Errorf("--key: %w", err)
		}
		if !time.Now().Before(deadline) {
			return "", fmt.Errorf("--key: the collector did not write %s in time", path)
		}
		time.Sleep(keyPoll)
	}
}

// hideMemory keeps processes of the same user from reading this one's memory and descriptors, where the key is.
func hideMemory() error {
	if _, _, errno := syscall.RawSyscall(syscall.SYS_PRCTL, syscall.PR_SET_DUMPABLE, 0, 0); errno != 0 {
		return fmt.Errorf("can't protect the launcher's memory: %w", errno)
	}
	return nil
}

// endOthers kills every process of the container but this one, also those that left the command's group, and waits for their ends:
// nothing is left that could change what the record says. Only the first process may: "every process" is the whole machine elsewhere.
func endOthers() {
	if os.Getpid() != 1 {
		return
	}
	if err := syscall.Kill(-1, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		logf("can't end what the command left behind: %v", err)
	}
	for deadline := time.Now().Add(drainFor); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		for {
			pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil)
			if errors.Is(err, syscall.ECHILD) {
				return
			}
			if err != nil || pid == 0 {
				break
			}
		}
	}
}
