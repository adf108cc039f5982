package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
)

// BenchmarkForward compares requests through a forward with direct ones.
func BenchmarkForward(b *testing.B) {
	large := make([]byte, 64<<20)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/large" {
			_, _ = w.Write(large)
			return
		}
		fmt.Fprint(w, "answer")
	}))
	defer server.Close()
	address, _ := forwardTo(b, server.Listener.Addr().String())
	for _, kind := range []struct {
		name, path string
		keepAlive  bool
		size       int64
	}{{"keep-alive", "/", true, 0}, {"new-connection", "/", false, 0}, {"64MiB", "/large", true, 64 << 20}} {
		for way, host := range map[string]string{"direct": server.Listener.Addr().String(), "forwarded": address} {
			b.Run(kind.name+"/"+way, func(b *testing.B) {
				client := http.Client{Transport: &http.Transport{DisableKeepAlives: !kind.keepAlive}}
				defer client.CloseIdleConnections()
				b.SetBytes(kind.size)
				before := processorTime(b)
				for b.Loop() {
					response, err := client.Get("http://" + host + kind.path)
					if err != nil {
						b.Fatal(err)
					}
					if _, err := io.Copy(io.Discard, response.Body); err != nil {
						b.Fatal(err)
					}
					response.Body.Close()
				}
				b.ReportMetric(float64((processorTime(b)-before).Microseconds())/float64(b.N), "cpu-µs/op")
			})
		}
	}
}
