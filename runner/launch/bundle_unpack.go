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
	"syscall"
)

const (
	longestPath      = 4000 // bytes
	longestName      = 255
	unpackBufferSize = 64 << 10
	lockFileLimit    = 16 << 20
)

// brokenError is what is wrong with a bundle itself.
type brokenError struct{ text string }

func (e brokenError) Error() string { return e.text }

func tooLarge(limit int64) error { return broken("it is larger than %s unpacked", sizeText(limit)) }

func broken(format string, args ...any) error { return brokenError{fmt.Sprintf(format, args...)} }

// unpacker lays one bundle over a folder. It never writes through a symbolic link, and never outside the folder.
// One file is written after the other: to write several at once has not been faster, since unzipping takes as long.
type unpacker struct {
	bundle *bundle
	images []pair
	root   *os.Root
	umask  fs.FileMode
	done   unpacked

	names   map[string]byte // of the bundle: its entries by type
	folders map[string]bool // that are real folders for sure
	links   []string        // to follow at the end
	buffer  []byte

	parent     *os.Root // of the last entry
	parentName string
}

// unpack reads a .tar.gz and lays it over the bundle's target, which is made if it is missing.
func unpack(source io.Reader, b *bundle, images []pair) (unpacked, error) {
	if err := os.MkdirAll(b.target, 0o755); err != nil {
		return unpacked{}, err
	}
	root, err := os.OpenRoot(b.target)
	if err != nil {
		return unpacked{}, err
	}
	defer root.Close()
	umask := syscall.Umask(0)
	syscall.Umask(umask)
	u := &unpacker{
		bundle: b, images: images, root: root, umask: fs.FileMode(umask),
		names: map[string]byte{}, folders: map[string]bool{".": true}, buffer: make([]byte, unpackBufferSize),
	}
	defer u.leave()
	if err := u.read(source); err != nil {
		return u.done, err
	}
	slices.Sort(u.done.lockFiles)
	return u.done, u.checkLinks()
}

// read reads the archive to its end.
func (u *unpacker) read(source io.Reader) error {
	unzipped, err := gzip.NewReader(bufio.NewReaderSize(source, unpackBufferSize))
	if err != nil {
		return broken("not a .tar.gz: %v", err)
	}
	limited := &limitedReader{unzipped, u.bundle.unpackedLimit, u.bundle.unpackedLimit}
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
	limit  int64
}

func (l *limitedReader) Read(p []byte) (int, error) {
	n, err := l.source.Read(p)
	if l.left -= int64(n); l.left < 0 {
		return 0, tooLarge(l.limit)
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
	if name == "." {
		if kind == tar.TypeDir {
			return nil
		}
		return broken("its root is no folder")
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
		if err := u.root.Chmod(name, mode|0o700); !errors.Is(err, fs.ErrPermission) { // what is mounted there may belong to root
			return err
		}
		return nil
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
	if u.done.size += header.Size; u.done.size > u.bundle.unpackedLimit {
		return tooLarge(u.bundle.unpackedLimit)
	}
	u.done.files++
	parent, err := u.enter(path.Dir(name))
	if err != nil {
		return err
	}
	base := path.Base(name)
	if isLockFile(base) && header.Size <= lockFileLimit {
		data, err := io.ReadAll(content)
		if err != nil {
			return asBroken(err)
		}
		if differs(parent, base, data) {
			u.done.lockFiles = append(u.done.lockFiles, name)
		}
		content = bytes.NewReader(data)
	}
	return u.write(parent, base, mode, content)
}

// write makes a file in place of whatever is there.
func (u *unpacker) write(parent *os.Root, base string, mode fs.FileMode, content io.Reader) (err error) {
	file, err := parent.OpenFile(base, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if errors.Is(err, fs.ErrExist) {
		if err := parent.RemoveAll(base); err != nil {
			return err
		}
		file, err = parent.OpenFile(base, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if err := u.copy(file, content); err != nil {
		return err
	}
	if mode&u.umask != 0 {
		return file.Chmod(mode)
	}
	return nil
}

// copy separates what is wrong with the bundle from what is wrong with the disk.
func (u *unpacker) copy(file *os.File, content io.Reader) error {
	for {
		n, readErr := content.Read(u.buffer)
		if n > 0 {
			if _, err := file.Write(u.buffer[:n]); err != nil {
				return err
			}
		}
		if readErr == io.EOF {
			return nil
		}
		if readErr != nil {
			return asBroken(readErr)
		}
	}
}

// enter opens the folder that an entry lies in. Entries of one folder usually follow each other.
func (u *unpacker) enter(name string) (*os.Root, error) {
	if u.parent != nil && u.parentName == name {
		return u.parent, nil
	}
	if err := u.folder(name); err != nil {
		return nil, err
	}
	u.leave()
	parent, err := u.root.OpenRoot(name)
	if err != nil {
		return nil, err
	}
	u.parent, u.parentName = parent, name
	return parent, nil
}

func (u *unpacker) leave() {
	if u.parent != nil {
		u.parent.Close()
		u.parent = nil
	}
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
	if leads == "" || path.IsAbs(leads) || len(leads) > longestPath || strings.ContainsRune(leads, 0) {
		return broken("the link %q leads out of it, to %.300q", name, leads)
	}
	if inner { // through other links it may lead elsewhere than it seems
		u.links = append(u.links, name)
	}
	parent, err := u.enter(path.Dir(name))
	if err != nil {
		return err
	}
	base := path.Base(name)
	if err = parent.Symlink(leads, base); errors.Is(err, fs.ErrExist) {
		if err = parent.RemoveAll(base); err == nil {
			err = parent.Symlink(leads, base)
		}
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
func isLockFile(base string) bool {
	switch base {
	case "uv.lock", "poetry.lock", "pdm.lock":
		return true
	}
	return strings.HasPrefix(base, "requirements") && strings.HasSuffix(base, ".txt")
}

// differs reports whether the image has another file of this name.
func differs(parent *os.Root, base string, content []byte) bool {
	file, err := parent.Open(base)
	if err != nil {
		return false
	}
	defer file.Close()
	theirs, err := io.ReadAll(io.LimitReader(file, int64(len(content))+1))
	return err == nil && !bytes.Equal(theirs, content)
}
