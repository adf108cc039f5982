package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"time"
)

const (
	// bundleToken is the environment variable with the archive's token. The command does not get it.
	bundleToken = "SEATRIAL_BUNDLE_TOKEN"

	defaultUnpackedLimit = 1 << 30
	defaultEntriesLimit  = 100_000
)

// bundle is a tree of files, addressed by its digest, that is laid over a folder.
type bundle struct {
	url           string
	digest        string // 64 hexadecimal digits of SHA-256, over the bytes as they are stored
	target        string
	token         string
	unpackedLimit int64
	entriesLimit  int
}

func newBundle() *bundle {
	return &bundle{unpackedLimit: defaultUnpackedLimit, entriesLimit: defaultEntriesLimit}
}

// bundleFlags are those that every command with a bundle has.
func bundleFlags(flags *flag.FlagSet, b *bundle) {
	flags.Func("bundle-unpacked-limit", "", func(value string) (err error) {
		b.unpackedLimit, err = parseSize(value)
		return err
	})
	flags.IntVar(&b.entriesLimit, "bundle-entries", b.entriesLimit, "")
}

// check takes the token from the environment, and reports what is wrong with the flags.
func (b *bundle) check(env func(string) (string, bool)) error {
	b.token, _ = env(bundleToken)
	u, err := url.Parse(b.url)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") || u.User != nil {
		return errors.New("--bundle: not a URL such as http://archive:8080/v1/...")
	}
	switch {
	case b.digest == "":
		return errors.New("--bundle needs --bundle-digest sha256:HEX")
	case !filepath.IsAbs(b.target):
		return errors.New("--bundle-target: not an absolute path")
	case b.token == "":
		return fmt.Errorf("the environment variable %s, which should hold the archive's token, is not set", bundleToken)
	}
	return nil
}

// digestFlag reads sha256:HEX.
func digestFlag(target *string) func(string) error {
	return func(value string) error {
		digits, found := strings.CutPrefix(value, "sha256:")
		if !found || len(digits) != 64 || strings.Trim(digits, "0123456789abcdef") != "" {
			return errors.New("not of the form sha256:HEX, with 64 digits")
		}
		*target = digits
		return nil
	}
}

// unpacked is what laying a bundle over a folder has done.
type unpacked struct {
	files     int
	size      int64    // of all files, bytes
	lockFiles []string // those that differ from the image's, sorted
}

// laying is a bundle that is being fetched.
type laying struct {
	bundle *bundle
	source *prefetch
	cancel context.CancelFunc
}

// fetch begins to fetch the bundle, as far as there is room for what nobody takes yet.
func (b *bundle) fetch(deadline time.Time) *laying {
	ctx, cancel := context.WithDeadline(context.Background(), deadline)
	return &laying{b, newPrefetch(ctx, newDownload(ctx, b.url, b.token)), cancel}
}

// over unpacks the bundle over its folder. images are the folders that --workdir copied: links to them are ours.
func (l *laying) over(images []pair) (unpacked, error) {
	defer l.cancel()
	done, err := unpack(l.source, l.bundle, images)
	if failed := l.source.failure(); failed != nil { // what the unpacking made of it matters no more
		if f, ok := errors.AsType[failure](failed); ok && f.code == codeBundleMissing {
			f.text = fmt.Sprintf("the archive has no bundle sha256:%s for this namespace: `seatrial run` uploads it; start the run again with it", l.bundle.digest)
			return done, f
		}
		return done, failed
	}
	if err != nil {
		var broken brokenError
		if errors.As(err, &broken) {
			return done, failure{exitIO, codeBundleBroken, fmt.Sprintf("the bundle sha256:%s can't be used: %v", l.bundle.digest, err)}
		}
		return done, fmt.Errorf("can't unpack the bundle into %s: %w", l.bundle.target, err)
	}
	if digest := l.source.digest(); digest != l.bundle.digest {
		return done, failure{exitIO, codeBundleBroken, fmt.Sprintf("the bundle sha256:%s can't be used: what the archive sent has the digest sha256:%s", l.bundle.digest, digest)}
	}
	return done, nil
}

// lay fetches and unpacks the bundle, and says which lock files differ.
func (l *laying) lay(images []pair, journal *journal, started time.Time) error {
	done, err := l.over(images)
	if err != nil {
		return err
	}
	seconds := time.Since(started).Seconds()
	logf("bundle sha256:%.12s: %d files, %.1f MiB, after %.2f s", l.bundle.digest, done.files, float64(done.size)/(1<<20), seconds)
	if len(done.lockFiles) > 0 {
		logf("warning: %s of the bundle differs from the image's: the image may lack what the code needs; build the image anew", strings.Join(done.lockFiles, ", "))
	}
	journal.write(event{Event: "bundle", Seconds: &seconds, Files: &done.files, Size: &done.size, LockFiles: done.lockFiles})
	return nil
}
