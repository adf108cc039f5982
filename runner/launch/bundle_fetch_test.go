package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func downloadAll(t *testing.T, handler http.HandlerFunc, timeout time.Duration) ([]byte, error) {
	t.Helper()
	server := httptest.NewServer(handler)
	defer server.CloseClientConnections()
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	d := newDownload(ctx, server.URL, "the-token")
	d.patience = 200 * time.Millisecond
	return io.ReadAll(newPrefetch(ctx, d))
}

func testContent() []byte { return bytes.Repeat([]byte("0123456789abcdef"), 64<<10) }

// breakOff ends a connection after so many bytes of the answer.
func breakOff(w http.ResponseWriter, content []byte) {
	_, _ = w.Write(content)
	w.(http.Flusher).Flush()
	panic(http.ErrAbortHandler)
}

func TestABrokenDownloadGoesOnWhereItBroke(t *testing.T) {
	content := testContent()
	var requests, sent atomic.Int64
	found, err := downloadAll(t, func(w http.ResponseWriter, r *http.Request) {
		from := 0
		if given := r.Header.Get("Range"); given != "" {
			if _, err := fmt.Sscanf(given, "bytes=%d-", &from); err != nil {
				t.Error(err)
			}
			w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, len(content)-1, len(content)))
		}
		w.Header().Set("Content-Length", fmt.Sprint(len(content)-from))
		if from > 0 {
			w.WriteHeader(http.StatusPartialContent)
		}
		part := content[from:min(from+300_000, len(content))]
		requests.Add(1)
		sent.Add(int64(len(part)))
		if from+len(part) < len(content) {
			breakOff(w, part)
		}
		_, _ = w.Write(part)
	}, patience)
	if err != nil || !bytes.Equal(found, content) {
		t.Errorf("%d bytes, %v", len(found), err)
	}
	if requests.Load() < 4 || sent.Load() > 3*int64(len(content)) {
		t.Errorf("%d requests, %d bytes", requests.Load(), sent.Load())
	}
}

func TestAnArchiveThatKnowsNoRanges(t *testing.T) {
	content := testContent()
	var requests atomic.Int64
	found, err := downloadAll(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(len(content)))
		if requests.Add(1) == 1 {
			breakOff(w, content[:1000])
		}
		_, _ = w.Write(content)
	}, patience)
	if err != nil || !bytes.Equal(found, content) {
		t.Errorf("%d bytes, %v", len(found), err)
	}
}

func TestAnArchiveThatStopsSending(t *testing.T) {
	content := testContent()
	var requests atomic.Int64
	found, err := downloadAll(t, func(w http.ResponseWriter, r *http.Request) {
		if requests.Add(1) == 1 {
			w.Header().Set("Content-Length", fmt.Sprint(len(content)))
			_, _ = w.Write(content[:1000])
			w.(http.Flusher).Flush()
			<-r.Context().Done()
			return
		}
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
	}, patience)
	if err != nil || !bytes.Equal(found, content) {
		t.Errorf("%d bytes, %v", len(found), err)
	}
}

func TestAnArchiveThatIsNotUpYet(t *testing.T) {
	var requests atomic.Int64
	found, err := downloadAll(t, func(w http.ResponseWriter, _ *http.Request) {
		if requests.Add(1) < 4 {
			http.Error(w, "starting", http.StatusServiceUnavailable)
			return
		}
		_, _ = io.WriteString(w, "content")
	}, patience)
	if err != nil || string(found) != "content" {
		t.Errorf("%q, %v", found, err)
	}
}

func TestAnArchiveThatNeverAnswers(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := "http://" + listener.Addr().String()
	listener.Close()
	for name, test := range map[string]struct {
		handler http.HandlerFunc
		says    string
	}{
		"error":      {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "full", http.StatusInternalServerError) }, "HTTP 500"},
		"other part": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusPartialContent) }, "another part"},
		"elsewhere":  {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/other", http.StatusFound) }, "HTTP 302"},
	} {
		_, err := downloadAll(t, test.handler, 300*time.Millisecond)
		f, ok := errors.AsType[failure](err)
		if !ok || f.code != codeArchiveUnavailable || !strings.Contains(f.text, test.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	_, err = io.ReadAll(newDownload(ctx, url, "the-token"))
	if f, ok := errors.AsType[failure](err); !ok || f.code != codeArchiveUnavailable || !strings.Contains(f.text, "connection refused") {
		t.Errorf("%v", err)
	}
}

func TestADownloadSendsItsTokenToTheArchiveOnly(t *testing.T) {
	var leaked atomic.Bool
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { leaked.Store(true) }))
	defer other.Close()
	t.Setenv("HTTP_PROXY", other.URL)
	_, err := downloadAll(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
	}, 200*time.Millisecond)
	if err == nil || leaked.Load() {
		t.Errorf("%v, asked elsewhere: %v", err, leaked.Load())
	}
}
