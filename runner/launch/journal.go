package main

import (
	"encoding/json"
	"os"
	"sync"
	"time"
)

// event is one line of the --gates file.
type event struct {
	T        float64   `json:"t"` // Unix time, seconds
	Event    string    `json:"event"`
	Name     string    `json:"name,omitempty"`
	Seconds  *float64  `json:"seconds,omitempty"` // since the launcher's start
	NotReady []unready `json:"notReady,omitempty"`

	Files     *int     `json:"files,omitempty"` // of a bundle
	Size      *int64   `json:"size,omitempty"`  // of them, bytes
	LockFiles []string `json:"lockFiles,omitempty"`
}

// journal appends events to the --gates file. A nil journal keeps nothing.
type journal struct {
	file  *os.File
	mutex sync.Mutex
}

func openJournal(path string) (*journal, error) {
	if path == "" {
		return nil, nil
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	return &journal{file: file}, nil
}

// write appends an event. When that fails once (a full disk), it says so and stops trying: waiting does not depend on it.
func (j *journal) write(e event) {
	if j == nil {
		return
	}
	j.mutex.Lock()
	defer j.mutex.Unlock()
	if j.file == nil {
		return
	}
	e.T = unixSeconds(time.Now())
	line, err := json.Marshal(e)
	if err == nil {
		_, err = j.file.Write(append(line, '\n'))
	}
	if err != nil {
		logf("the events of the waiting are no longer recorded: %v", err)
		j.file.Close()
		j.file = nil
	}
}

func unixSeconds(t time.Time) float64 { return float64(t.UnixMicro()) / 1e6 }
