package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"syscall"
	"time"
)

// serveBeacon answers every HTTP request with 200 until a signal asks it to end.
func serveBeacon(address string, signals <-chan os.Signal) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("the command succeeded, but its beacon can't be lit: %w", err)
	}
	logf("done; answering on %s", listener.Addr())
	server := &http.Server{
		Handler:           http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "done") }),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       10 * time.Second,
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	for {
		select {
		case err := <-failed:
			return fmt.Errorf("the beacon ended: %w", err)
		case s := <-signals:
			if stops(s.(syscall.Signal)) {
				return nil
			}
		}
	}
}
