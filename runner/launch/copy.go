package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// copyFolder copies the files of a folder into another, which is created if missing. Existing files are replaced.
// Symbolic links are followed, so a mounted ConfigMap becomes plain files; its ..data and other entries of the kubelet's own are left out.
func copyFolder(source, target string) error {
	info, err := os.Stat(source)
	if err != nil {
		return fmt.Errorf("can't copy: %w", err)
	}
	if !info.IsDir() {
		return fmt.Errorf("can't copy %s: not a folder", source)
	}
	if err := copyTree(source, target, nil); err != nil {
		return fmt.Errorf("can't copy %s to %s: %w", source, target, err)
	}
	return nil
}

// copyTree copies one folder. above are the real paths of the folders that it is in, to notice a link that leads back to one of them.
func copyTree(source, target string, above []string) error {
	real, err := filepath.EvalSymlinks(source)
	if err != nil {
		return err
	}
	if slices.Contains(above, real) {
		return fmt.Errorf("%s leads back to a folder that it is in", source)
	}
	above = append(slices.Clone(above), real)
	entries, err := os.ReadDir(source)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(target, 0o755); err != nil {
		return err
	}
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), "..") {
			continue
		}
		from, to := filepath.Join(source, entry.Name()), filepath.Join(target, entry.Name())
		info, err := os.Stat(from)
		switch {
		case err != nil:
			return err
		case info.IsDir():
			err = copyTree(from, to, above)
		case info.Mode().IsRegular():
			if err = copyFile(from, to, info.Mode().Perm()); err == nil {
				err = os.Chtimes(to, info.ModTime(), info.ModTime()) // what is newer, the tests have written
			}
		default:
			err = fmt.Errorf("%s is neither a file nor a folder", from)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func copyFile(source, target string, mode fs.FileMode) (err error) {
	from, err := os.Open(source)
	if err != nil {
		return err
	}
	defer from.Close()
	// Made anew: what is there may be a link, not writable, or a program that runs.
	if err := os.Remove(target); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	to, err := os.OpenFile(target, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, to.Close()) }()
	if _, err := io.Copy(to, from); err != nil {
		return err
	}
	return to.Chmod(mode) // whatever the umask is
}
