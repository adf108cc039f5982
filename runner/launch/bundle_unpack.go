package main

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
)

const (
	unpackWriters = 4         // small files are written by so many at once
	smallFile     = 256 << 10 // bytes up to which a file is held in memory
	longestPath   = 4000
	longestName   = 255
)

// brokenError is what is wrong with a bundle itself.
type brokenError struct{ text string }

func (e brokenError) Error() string { return e.text }

func broken(format string, args ...any) error { return brokenError{fmt.Sprintf(format, args...)} }

// unpacker lays one bundle over a folder. It never writes through a symbolic link, and never outside the folder.
type unpacker struct {
	bundle  *bundle
	images  []pair
	root    *os.Root
	names   map[string]byte // of the bundle: its entries by type
	folders map[string]bool // that are real folders for sure
	links   []string        // to check at the end
	size    int64

	jobs    chan smallEntry
	writers sync.WaitGroup
	mutex   sync.Mutex
	failed  error
	locks   []string
}

type smallEntry struct {
	name    string
	mode    fs.FileMode
	content []byte
}

// unpack reads a .tar.gz and lays it over the bundle's target, which is made if it is missing.
func unpack(source io.Reader, b *bundle, images []pair) (done unpacked, err error) {
	if err := os.MkdirAll(b.target, 0o755); err != nil {
		return done, err
	}
	root, err := os.OpenRoot(b.target)
	if err != nil {
		return done, err
	}
	defer root.Close()
	u := &unpacker{
		bundle: b, images: images, root: root,
		names: map[string]byte{}, folders: map[string]bool{".": true}, jobs: make(chan smallEntry, 2*unpackWriters),
	}
	for range unpackWriters {
		u.writers.Go(func() {
			for entry := range u.jobs {
				u.fail(u.file(entry.name, entry.mode, bytes.NewReader(entry.content)))
			}
		})
	}
	err = u.read(source)
	close(u.jobs)
	u.writers.Wait()
	if err = errors.Join(err, u.failed); err == nil {
		err = u.checkLinks()
	}
	slices.Sort(u.locks)
	for _, kind := range u.names {
		if kind == tar.TypeReg {
			done.files++
		}
	}
	done.size, done.lockFiles = u.size, u.locks
	return done, err
}

// read reads the archive to its end.
func (u *unpacker) read(source io.Reader) error {
	unzipped, err := gzip.NewReader(bufio.NewReaderSize(source, 64<<10))
	if err != nil {
		return broken("not a .tar.gz: %v", err)
	}
	limited := &limitedReader{unzipped, u.bundle.unpackedLimit}
	archive := tar.NewReader(limited)
	for entries := 0; ; entries++ {
		header, err := archive.Next()
		switch {
		case err == io.EOF:
			_, err := io.Copy(io.Discard, limited) // so that the digest is that of everything
			return asBroken(err)
		case err != nil:
			return asBroken(err)
		case entries >= u.bundle.entriesLimit:
			return broken("it has more than %d entries", u.bundle.entriesLimit)
		}
		if err := u.entry(header, archive); err != nil {
			return err
		}
		if err := u.failure(); err != nil {
			return err
		}
	}
}

func asBroken(err error) error {
	var already brokenError
	if err == nil || errors.As(err, &already) {
		return err
	}
	return broken("not a .tar.gz: %v", err)
}

// limitedReader ends with an error, not with the end, when there is more.
type limitedReader struct {
	source io.Reader
	left   int64
}

func (l *limitedReader) Read(p []byte) (int, error) {
	n, err := l.source.Read(p)
	if l.left -= int64(n); l.left < 0 {
		return 0, broken("unpacked it is larger than the limit")
	}
	return n, err
}

func (u *unpacker) entry(header *tar.Header, content io.Reader) error {
	if header.Typeflag == tar.TypeXGlobalHeader {
		return nil
	}
	name, err := entryName(header.Name)
	if err != nil {
		return err
	}
	kind := header.Typeflag
	if name == "." && kind == tar.TypeDir {
		return nil
	}
	if before, twice := u.names[name]; twice && (kind != tar.TypeDir || before != tar.TypeDir) {
		return broken("%q is in it twice", name)
	}
	for parent := path.Dir(name); parent != "."; parent = path.Dir(parent) {
		if before, known := u.names[parent]; known && before != tar.TypeDir {
			return broken("%q is below an entry that is no folder", name)
		}
	}
	u.names[name] = kind
	mode := fs.FileMode(header.Mode).Perm()
	switch kind {
	case tar.TypeDir:
		if err := u.folder(name); err != nil {
			return err
		}
		return u.root.Chmod(name, mode|0o700)
	case tar.TypeSymlink:
		return u.link(name, header.Linkname)
	case tar.TypeReg:
		return u.regular(name, mode|0o600, header, content)
	}
	return broken("%q is neither a file, nor a folder, nor a symbolic link", name)
}

// entryName is the path of an entry below the target.
func entryName(name string) (string, error) {
	parts := strings.Split(strings.TrimSuffix(name, "/"), "/")
	for _, part := range parts {
		if part == ".." || len(part) > longestName {
			return "", broken("the path %.300q is not allowed", name)
		}
	}
	if name == "" || path.IsAbs(name) || len(name) > longestPath || strings.ContainsRune(name, 0) {
		return "", broken("the path %.300q is not allowed", name)
	}
	return path.Clean(name), nil
}

func (u *unpacker) regular(name string, mode fs.FileMode, header *tar.Header, content io.Reader) error {
	for record := range header.PAXRecords {
		if strings.HasPrefix(record, "GNU.sparse.") {
			return broken("%q is a sparse file", name)
		}
	}
	if u.size += header.Size; u.size > u.bundle.unpackedLimit {
		return broken("unpacked it is larger than the limit")
	}
	if err := u.folder(path.Dir(name)); err != nil {
		return err
	}
	if header.Size > smallFile {
		return u.file(name, mode, content)
	}
	data := make([]byte, header.Size)
	if _, err := io.ReadFull(content, data); err != nil {
		return asBroken(err)
	}
	u.jobs <- smallEntry{name, mode, data}
	return nil
}

// file writes one file in place of whatever is there.
func (u *unpacker) file(name string, mode fs.FileMode, content io.Reader) (err error) {
	if data, small := content.(*bytes.Reader); small && isLockFile(name) {
		u.compareLock(name, data)
	}
	file, err := u.root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if errors.Is(err, fs.ErrExist) {
		if err := u.root.RemoveAll(name); err != nil {
			return err
		}
		file, err = u.root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if _, err := io.Copy(file, content); err != nil {
		return err
	}
	return file.Chmod(mode) // whatever the umask is
}

// folder makes a folder and those above it, in place of files and links that are there.
func (u *unpacker) folder(name string) error {
	if u.folders[name] {
		return nil
	}
	if err := u.folder(path.Dir(name)); err != nil {
		return err
	}
	err := u.root.Mkdir(name, 0o755)
	if errors.Is(err, fs.ErrExist) {
		err = u.existing(name)
	}
	if err == nil {
		u.folders[name] = true
	}
	return err
}

// existing makes sure that what is there is a real folder.
func (u *unpacker) existing(name string) error {
	info, err := u.root.Lstat(name)
	if err != nil || info.IsDir() {
		return err
	}
	leads := ""
	if info.Mode()&fs.ModeSymlink != 0 {
		if leads, err = u.root.Readlink(name); err != nil {
			return err
		}
	}
	if err := errors.Join(u.root.Remove(name), u.root.Mkdir(name, 0o755)); err != nil {
		return err
	}
	if !u.ofImage(name, leads) {
		return nil
	}
	// A folder of the image that --workdir linked: what is in it stays, as links.
	children, err := os.ReadDir(leads)
	if err != nil {
		return err
	}
	for _, child := range children {
		if err := u.root.Symlink(filepath.Join(leads, child.Name()), path.Join(name, child.Name())); err != nil {
			return err
		}
	}
	return nil
}

// ofImage reports whether a link is to the image's own folder of the same name.
func (u *unpacker) ofImage(name, leads string) bool {
	if leads == "" {
		return false
	}
	for _, image := range u.images {
		relative, err := filepath.Rel(image.right, filepath.Join(u.bundle.target, name))
		if err == nil && filepath.IsLocal(relative) && leads == filepath.Join(image.left, relative) {
			info, err := os.Stat(leads)
			return err == nil && info.IsDir()
		}
	}
	return false
}

// link makes a symbolic link that stays inside.
func (u *unpacker) link(name, leads string) error {
	depth, inner, names := strings.Count(name, "/"), false, false
	for _, part := range strings.Split(leads, "/") {
		switch part {
		case "", ".":
		case "..":
			depth--
			inner = inner || names
		default:
			depth++
			names = true
		}
		if depth < 0 {
			return broken("the link %q leads out of it, to %.300q", name, leads)
		}
	}
	if leads == "" || path.IsAbs(leads) || len(leads) > longestPath {
		return broken("the link %q leads out of it, to %.300q", name, leads)
	}
	if inner { // through other links it may lead elsewhere than it seems
		u.links = append(u.links, name)
	}
	if err := u.folder(path.Dir(name)); err != nil {
		return err
	}
	err := u.root.Symlink(leads, name)
	if errors.Is(err, fs.ErrExist) {
		if err := u.root.RemoveAll(name); err != nil {
			return err
		}
		err = u.root.Symlink(leads, name)
	}
	return err
}

// checkLinks follows the links whose text alone does not show where they lead.
func (u *unpacker) checkLinks() error {
	for _, name := range u.links {
		_, err := u.root.Stat(name)
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR) {
			return broken("the link %q leads out of it", name)
		}
	}
	return nil
}

// isLockFile reports whether a file pins what a Python image should have.
func isLockFile(name string) bool {
	switch base := path.Base(name); base {
	case "uv.lock", "poetry.lock", "pdm.lock":
		return true
	default:
		return strings.HasPrefix(base, "requirements") && strings.HasSuffix(base, ".txt")
	}
}

// compareLock notes a lock file that differs from the one that the image has there.
func (u *unpacker) compareLock(name string, ours *bytes.Reader) {
	file, err := u.root.Open(name)
	if err != nil {
		return
	}
	defer file.Close()
	content := make([]byte, ours.Len())
	_, _ = ours.Read(content)
	_, _ = ours.Seek(0, io.SeekStart)
	theirs, err := io.ReadAll(io.LimitReader(file, int64(len(content))+1))
	if err == nil && !bytes.Equal(theirs, content) {
		u.mutex.Lock()
		defer u.mutex.Unlock()
		u.locks = append(u.locks, name)
	}
}

func (u *unpacker) fail(err error) {
	if err == nil {
		return
	}
	u.mutex.Lock()
	defer u.mutex.Unlock()
	if u.failed == nil {
		u.failed = err
	}
}

func (u *unpacker) failure() error {
	u.mutex.Lock()
	defer u.mutex.Unlock()
	return u.failed
}
