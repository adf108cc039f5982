package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	firstPause     = 50 * time.Millisecond // before a download is tried once more; doubled each time
	longestPause   = 3 * time.Second
	longestConnect = 5 * time.Second
	stalledAfter   = 15 * time.Second // without a byte, a connection is given up
	prefetchChunk  = 256 << 10
	prefetchChunks = 16
)

// download reads a file of the archive. A connection that breaks is opened once more, for the rest, until the context is done.
type download struct {
	ctx      context.Context
	client   *http.Client
	url      string
	token    string
	body     io.ReadCloser
	stalled  *time.Timer
	offset   int64
	total    int64 // -1 until it is known
	connect  time.Duration
	patience time.Duration // with a connection that sends nothing
	pause    time.Duration
	last     error // why the last attempt failed
	began    time.Time
}

func newDownload(ctx context.Context, url, token string) *download {
	d := &download{ctx: ctx, url: url, token: token, total: -1, connect: firstConnectTimeout, patience: stalledAfter, pause: firstPause, began: time.Now()}
	d.client = &http.Client{
		// No proxy of the command's environment, and bytes as they are stored.
		Transport: &http.Transport{DialContext: d.dial, DisableCompression: true, ResponseHeaderTimeout: stalledAfter},
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
	}
	return d
}

// dial is less patient at first: while network policies spread, packets are dropped.
func (d *download) dial(ctx context.Context, network, address string) (net.Conn, error) {
	dialer := net.Dialer{Timeout: d.connect}
	d.connect = min(2*d.connect, longestConnect)
	return dialer.DialContext(ctx, network, address)
}

func (d *download) Read(p []byte) (int, error) {
	for {
		if d.body == nil {
			if d.offset == d.total {
				return 0, io.EOF
			}
			if err := d.open(); err != nil {
				return 0, err
			}
		}
		d.stalled.Reset(d.patience)
		n, err := d.body.Read(p)
		d.stalled.Stop()
		if n > 0 {
			d.offset += int64(n)
			d.pause = firstPause
			return n, nil
		}
		if err == nil {
			continue
		}
		d.close()
		if err == io.EOF && d.total < 0 {
			d.total = d.offset
		}
		if d.offset != d.total {
			if err := d.wait(err); err != nil {
				return 0, err
			}
		}
	}
}

func (d *download) close() {
	d.stalled.Stop()
	d.body.Close()
	d.body = nil
}

// open asks for the rest until an answer has it.
func (d *download) open() error {
	for {
		err := d.ask()
		if err == nil {
			return nil
		}
		if _, final := errors.AsType[failure](err); final {
			return err
		}
		if err := d.wait(err); err != nil {
			return err
		}
	}
}

// wait pauses before the next attempt; an error when there is no time for one.
func (d *download) wait(reason error) error {
	if d.ctx.Err() == nil || d.last == nil {
		d.last = reason
	}
	pause := time.NewTimer(d.pause/2 + rand.N(d.pause)) // many pods start at once
	defer pause.Stop()
	d.pause = min(2*d.pause, longestPause)
	select {
	case <-pause.C:
		return nil
	case <-d.ctx.Done():
		why := plain(d.last, d.patience)
		if dial, ok := errors.AsType[*net.OpError](d.last); ok && dial.Op == "dial" && dial.Timeout() {
			why = "no connection"
		}
		text := fmt.Sprintf("the archive (%s) did not send the bundle within %s: %s", d.host(), secondsText(time.Since(d.began).Round(10*time.Millisecond)), why)
		return failure{exitGateTimeout, codeArchiveUnavailable, text}
	}
}

func (d *download) host() string {
	u, err := url.Parse(d.url)
	if err != nil {
		return "?"
	}
	return u.Host
}

// ask sends one request. The error is a failure if no other can succeed.
func (d *download) ask() error {
	ctx, cancel := context.WithCancel(d.ctx)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, d.url, nil)
	if err != nil {
		cancel()
		return failure{exitUsage, codeUsage, "--bundle: " + err.Error()}
	}
	request.Header.Set("Authorization", "Bearer "+d.token)
	request.Header.Set("User-Agent", "seatrial-launch/"+version)
	if d.offset > 0 {
		request.Header.Set("Range", fmt.Sprintf("bytes=%d-", d.offset))
	}
	response, err := d.client.Do(request)
	if err != nil {
		cancel()
		return err
	}
	if err := d.accept(response); err != nil {
		response.Body.Close()
		cancel()
		return err
	}
	d.body, d.stalled = response.Body, time.AfterFunc(d.patience, cancel)
	return nil
}

// accept leaves the body at the byte that is needed next.
func (d *download) accept(response *http.Response) error {
	switch response.StatusCode {
	case http.StatusOK:
		if response.ContentLength >= 0 {
			d.total = response.ContentLength
		}
		_, err := io.CopyN(io.Discard, response.Body, d.offset)
		return err
	case http.StatusPartialContent:
		if !strings.HasPrefix(response.Header.Get("Content-Range"), fmt.Sprintf("bytes %d-", d.offset)) {
			return fmt.Errorf("the archive sent another part than bytes %d-", d.offset)
		}
		return nil
	case http.StatusNotFound:
		return failure{exitIO, codeBundleMissing, "the archive has no such bundle"}
	case http.StatusUnauthorized, http.StatusForbidden:
		return failure{exitIO, codeArchiveUnavailable, fmt.Sprintf("the archive refuses the token for the bundle (HTTP %d): start the run again", response.StatusCode)}
	}
	return fmt.Errorf("HTTP %d", response.StatusCode)
}

// prefetch reads ahead of its reader, and computes the digest.
type prefetch struct {
	chunks chan []byte
	hash   hash.Hash
	err    error // set before chunks is closed
	rest   []byte
}

func newPrefetch(ctx context.Context, source io.Reader) *prefetch {
	p := &prefetch{chunks: make(chan []byte, prefetchChunks), hash: sha256.New()}
	go func() {
		defer close(p.chunks)
		for {
			chunk := make([]byte, prefetchChunk)
			n, err := io.ReadFull(source, chunk)
			if n > 0 {
				p.hash.Write(chunk[:n])
				select {
				case p.chunks <- chunk[:n]:
				case <-ctx.Done():
					p.err = ctx.Err()
					return
				}
			}
			if err != nil {
				if err != io.EOF && err != io.ErrUnexpectedEOF {
					p.err = err
				}
				return
			}
		}
	}()
	return p
}

func (p *prefetch) Read(b []byte) (int, error) {
	for len(p.rest) == 0 {
		chunk, more := <-p.chunks
		if !more {
			if p.err != nil {
				return 0, p.err
			}
			return 0, io.EOF
		}
		p.rest = chunk
	}
	n := copy(b, p.rest)
	p.rest = p.rest[n:]
	return n, nil
}

// failure is why the source could not be read, if that is known already.
func (p *prefetch) failure() error {
	select {
	case _, more := <-p.chunks:
		if !more {
			return p.err
		}
	default:
	}
	return nil
}

// digest is that of everything, once it has been read to the end.
func (p *prefetch) digest() string { return hex.EncodeToString(p.hash.Sum(nil)) }
