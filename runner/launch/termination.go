package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"unicode/utf8"
)

// The codes of terminations: what the operator decides by. seatrial_protocol/termination.py has the same.
const (
	codeGatesTimedOut = "gates-timed-out"
	codeNotFound      = "program-not-found"
	codeNotExecutable = "program-not-executable"
	codeSetUpFailed   = "set-up-failed"
	codeUsage         = "usage-error"
	codeStopped       = "stopped"

	codeBundleMissing      = "bundle-missing"
	codeBundleBroken       = "bundle-broken"
	codeArchiveUnavailable = "archive-unavailable"
	codeForwardPortTaken   = "forward-port-taken"

	// Not everything was ready in time, and the address of the first that was not never answered anything, not even a refusal.
	codeAddressSilent = "address-silent"
)

// failure is an end that the launcher itself decides on: the exit status, its code, and one line for people.
type failure struct {
	status int
	code   string
	text   string
}

func (f failure) Error() string { return f.text }

// asFailure gives an error an exit status and a code if it has none.
func asFailure(err error) failure {
	if f, ok := errors.AsType[failure](err); ok {
		return f
	}
	return failure{exitIO, codeSetUpFailed, err.Error()}
}

// defaultTerminationLog is where the kubelet reads a container's termination message, unless its pod says otherwise.
const defaultTerminationLog = "/dev/termination-log"

const (
	messageLength     = 1000 // bytes of a message that are written: of each container of a pod with many, Kubernetes keeps less than of one
	terminationLength = 4096 // bytes that Kubernetes keeps at most, the last ones
)

// termination is a container's termination message. The code comes first: Kubernetes may cut what follows.
type termination struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// encode gives the message as it is written.
func (t termination) encode() []byte {
	for limit := messageLength; ; limit /= 2 { // a control character takes six bytes
		t.Message = cutText(t.Message, limit)
		var line bytes.Buffer
		encoder := json.NewEncoder(&line)
		encoder.SetEscapeHTML(false) // people read it, too
		if err := encoder.Encode(t); err != nil {
			return nil // two strings can always be encoded
		}
		if line.Len() <= terminationLength || limit == 0 {
			return bytes.TrimSuffix(line.Bytes(), []byte("\n"))
		}
	}
}

// cutText is at most so many bytes of the text, whole characters.
func cutText(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	for limit > 0 && !utf8.RuneStart(text[limit]) {
		limit--
	}
	return text[:limit]
}

// giveUp says why, in the log and to the kubelet, and returns the exit status.
func giveUp(f failure, terminationLog string) int {
	logf("%s", f.text)
	if terminationLog == "" {
		terminationLog = defaultTerminationLog
	}
	// Never created: outside a pod there is nobody to read it.
	file, err := os.OpenFile(terminationLog, os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return f.status
	}
	defer file.Close()
	if _, err := file.Write(termination{f.code, f.text}.encode()); err != nil {
		logf("can't write %s: %v", terminationLog, err)
	}
	return f.status
}
