package main

import (
	"archive/tar"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// sourceTree is a bundle of files of the same size, half of whose bytes gzip can save.
func sourceTree(t testing.TB, files, size int) packed {
	random := rand.New(rand.NewPCG(1, 2))
	var entries []tar.Header
	for i := range files {
		content := make([]byte, size)
		for j := range content {
			content[j] = "abcdefghijklmnop"[random.IntN(16)]
		}
		entries = append(entries, regular(fmt.Sprintf("package%02d/sub%d/module_%d.py", i%20, i%3, i), string(content)))
	}
	return pack(t, entries...)
}

// processorTime is what this process has used: on a machine that does other things, it says more than the time that passed.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

func BenchmarkBundle(b *testing.B) {
	for _, tree := range []struct {
		name        string
		files, size int
	}{
		{"5MB-in-500-files", 500, 10_000},
		{"64MiB-in-6400-files", 6400, 10 << 10},
		{"64MiB-in-8-files", 8, 8 << 20},
	} {
		bundle := sourceTree(b, tree.files, tree.size)
		server := archiveOf(b, bundle)
		b.Run(tree.name, func(b *testing.B) {
			b.SetBytes(int64(tree.files * tree.size))
			before := processorTime(b)
			for b.Loop() {
				b.StopTimer()
				target := filepath.Join(b.TempDir(), "app")
				b.StartTimer()
				wanted := newBundle()
				wanted.url = server.URL + "/v1/namespaces/team/bundles/" + bundle.digest
				wanted.digest, wanted.token, wanted.target = bundle.digest, "the-token", target
				if _, err := wanted.fetch(time.Now().Add(time.Minute)).over(nil); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64((processorTime(b)-before).Milliseconds())/float64(b.N), "cpu-ms/op")
		})
	}
}
