package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
)

// workdirCopiers is how many files are copied at once: more than the processors, since each waits for the file system.
const workdirCopiers = 8

// linkedFolders are not copied: they are large, and nobody writes to them. A link leads to the image's own.
var linkedFolders = map[string]bool{"node_modules": true}

// copyWorkdir makes a folder of an image writable: target, an empty volume where the image has the folder, becomes a copy of source.
// Symbolic links stay links, times stay as they are, and everything can be written by us. What is mounted inside target stays as it is.
// What an earlier container of the pod has left in target is replaced, file by file.
// Virtual environments become links to source, unless they are copied as well, where source is not seen later.
func copyWorkdir(source, target string, whole bool) error {
	info, err := os.Stat(source)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("the image has no folder %s: check workingDir", target)
		}
		return fmt.Errorf("can't copy %s: %w", target, err)
	}
	if !info.IsDir() {
		return fmt.Errorf("%s of the image is not a folder: check workingDir", target)
	}
	if err := (&workdirCopy{source: source, target: target, whole: whole, mounted: mountPoints()}).run(); err != nil {
		return fmt.Errorf("can't copy %s of the image to a writable volume: %w", target, err)
	}
	return nil
}

// copyWorkdirs makes the copies that --workdir asks for. An image need not have the folder that a bundle is laid over.
func copyWorkdirs(o *options) error {
	for _, workdir := range o.workdirs {
		if o.bundle != nil && o.bundle.target == workdir.right && isAbsent(workdir.left) {
			continue
		}
		if err := copyWorkdir(workdir.left, workdir.right, false); err != nil {
			return err
		}
	}
	return nil
}

func isAbsent(path string) bool {
	_, err := os.Lstat(path)
	return errors.Is(err, fs.ErrNotExist)
}

type workdirCopy struct {
	source, target string
	whole          bool
	mounted        map[string]bool
	folders        []string // relative, in the order of the walk: parents first
	mutex          sync.Mutex
	failed         error
}

func (c *workdirCopy) run() error {
	files := make(chan string)
	var copiers sync.WaitGroup
	for range workdirCopiers {
		copiers.Go(func() {
			for relative := range files {
				if err := c.file(relative); err != nil {
					c.fail(err)
				}
			}
		})
	}
	err := filepath.WalkDir(c.source, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return c.unreadable(path, entry, err)
		}
		relative, err := filepath.Rel(c.source, path)
		if err != nil || c.failure() != nil {
			return errors.Join(err, c.failure())
		}
		return c.visit(relative, entry, files)
	})
	close(files)
	copiers.Wait()
	if err = errors.Join(err, c.failed); err != nil {
		return err
	}
	return c.folderTimes()
}

// unreadable leaves out a folder that only root may read: our process could not have read it in the image either.
func (c *workdirCopy) unreadable(path string, entry fs.DirEntry, err error) error {
	if path != c.source && entry != nil && entry.IsDir() && errors.Is(err, fs.ErrPermission) {
		return fs.SkipDir
	}
	return err
}

func (c *workdirCopy) visit(relative string, entry fs.DirEntry, files chan<- string) error {
	from, to := filepath.Join(c.source, relative), filepath.Join(c.target, relative)
	switch {
	case relative == ".":
		return nil
	case entry.IsDir() && !c.whole && isLinked(from, entry.Name()):
		if err := linkAnew(from, to); err != nil {
			return err
		}
		return fs.SkipDir
	case entry.IsDir():
		if err := c.folder(to); err != nil {
			return err
		}
		c.folders = append(c.folders, relative)
		return nil
	case entry.Type().IsRegular():
		files <- relative
	case entry.Type()&fs.ModeSymlink != 0:
		leads, err := os.Readlink(from)
		if err != nil {
			return err
		}
		return linkAnew(leads, to)
	}
	return nil // sockets, devices and the like are not for us
}

// folder makes a folder, or takes the one that an earlier container has left. What is mounted, and what the container runtime has made
// above a mount, belongs to others.
func (c *workdirCopy) folder(to string) error {
	err := os.Mkdir(to, 0o755)
	if !errors.Is(err, fs.ErrExist) {
		return err
	}
	info, err := os.Lstat(to)
	switch {
	case err != nil:
		return err
	case !info.IsDir():
		return errors.Join(os.Remove(to), os.Mkdir(to, 0o755))
	case c.mounted[to] || !isOurs(info):
		return fs.SkipDir
	}
	return nil
}

func isOurs(info fs.FileInfo) bool {
	status, known := info.Sys().(*syscall.Stat_t)
	return known && int(status.Uid) == os.Geteuid()
}

// linkAnew makes a symbolic link in place of whatever is there.
func linkAnew(leads, to string) error {
	err := os.Symlink(leads, to)
	if errors.Is(err, fs.ErrExist) {
		err = errors.Join(os.RemoveAll(to), os.Symlink(leads, to))
	}
	return err
}

// mountPoints are the folders at which something is mounted in this container.
func mountPoints() map[string]bool {
	points := map[string]bool{}
	content, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return points // outside Linux containers nothing is mounted for us
	}
	unescape := strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)
	for line := range strings.Lines(string(content)) {
		if fields := strings.Fields(line); len(fields) > 4 {
			points[unescape.Replace(fields[4])] = true
		}
	}
	return points
}

func isLinked(folder, name string) bool {
	if linkedFolders[name] {
		return true
	}
	_, err := os.Lstat(filepath.Join(folder, "pyvenv.cfg"))
	return err == nil
}

func (c *workdirCopy) file(relative string) error {
	from, to := filepath.Join(c.source, relative), filepath.Join(c.target, relative)
	info, err := os.Lstat(from)
	if err != nil {
		return err
	}
	if there, err := os.Lstat(to); err == nil && there.IsDir() {
		if err := os.RemoveAll(to); err != nil {
			return err
		}
	}
	if err := copyFile(from, to, info.Mode().Perm()|0o200); err != nil {
		if errors.Is(err, fs.ErrPermission) { // only root may read it in the image, too
			return nil
		}
		return err
	}
	return os.Chtimes(to, info.ModTime(), info.ModTime())
}

// folderTimes comes last, since each file that is made changes its folder's time. Folders can be written by us, whatever they were.
func (c *workdirCopy) folderTimes() error {
	for i := len(c.folders) - 1; i >= 0; i-- {
		info, err := os.Lstat(filepath.Join(c.source, c.folders[i]))
		if err != nil {
			return err
		}
		to := filepath.Join(c.target, c.folders[i])
		if err := errors.Join(os.Chmod(to, info.Mode().Perm()|0o700), os.Chtimes(to, info.ModTime(), info.ModTime())); err != nil {
			return err
		}
	}
	return nil
}

func (c *workdirCopy) fail(err error) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.failed = errors.Join(c.failed, err)
}

func (c *workdirCopy) failure() error {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return c.failed
}
