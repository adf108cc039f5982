package main

import (
	"fmt"
	"io"
	"os"
	"time"
)

// tee copies what the command writes to the launcher's own stdout, and up to a limit to a file, as it comes.
// Whatever happens to either of them, it reads on: the command must never block or fail because of its copy.
type tee struct {
	read   *os.File
	stdout io.Writer // nil once nobody reads it
	file   io.WriteCloser
	name   string
	left   int64 // bytes that the file may still grow by
	limit  int64
	done   chan struct{}
}

func newTee(read, stdout, file *os.File, limit int64) *tee {
	t := &tee{read, stdout, file, file.Name(), limit, limit, make(chan struct{})}
	go t.run()
	return t
}

func (t *tee) run() {
	defer close(t.done)
	buffer := make([]byte, 64<<10)
	for {
		n, err := t.read.Read(buffer)
		t.keep(buffer[:n])
		if t.stdout != nil && n > 0 {
			if _, err := t.stdout.Write(buffer[:n]); err != nil {
				t.stdout = nil
				logf("the command's output can no longer be shown here: %v", err)
			}
		}
		if err != nil { // io.EOF, or closed by drained
			t.close()
			return
		}
	}
}

// keep writes to the file what the limit leaves room for.
func (t *tee) keep(chunk []byte) {
	if t.file == nil || len(chunk) == 0 {
		return
	}
	cut := chunk[:min(int64(len(chunk)), t.left)]
	t.left -= int64(len(cut))
	_, err := t.file.Write(cut)
	if err == nil && len(cut) < len(chunk) {
		_, err = fmt.Fprintf(t.file, "\nseatrial: the output is cut off here, at its limit of %s; the container's log may have more\n", sizeText(t.limit))
		if err == nil {
			t.close()
			return
		}
	}
	if err != nil {
		logf("%s ends early: %v", t.name, err)
		t.close()
	}
}

func (t *tee) close() {
	if t.file == nil {
		return
	}
	if err := t.file.Close(); err != nil {
		logf("%s may be incomplete: %v", t.name, err)
	}
	t.file = nil
}

// drained waits until every process that can write has ended, at most this long, and reports whether that is so.
func (t *tee) drained(atMost time.Duration) bool {
	select {
	case <-t.done:
		return true
	case <-time.After(atMost):
		return false
	}
}
