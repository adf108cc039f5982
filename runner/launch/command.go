package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// usualPath is searched when the environment has no PATH, as container runtimes do.
const usualPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// findCommand checks, before any waiting, that the image has the command. A command with a slash may be on a volume that is still being
// filled, so that one is only looked for when it starts.
func findCommand(o *options) error {
	names := []string{o.command[0]}
	if o.python {
		names = []string{"python", "python3"}
	} else if strings.Contains(o.command[0], "/") {
		return nil
	}
	var first error
	for _, name := range names {
		_, err := executablePath(name)
		if err == nil {
			if o.python {
				o.command = append([]string{name}, o.command...)
			}
			return nil
		}
		if first == nil {
			first = err
		}
	}
	if f, ok := errors.AsType[failure](first); ok && o.python && f.code == codeNotFound {
		f.text += " (nor python3): the image needs Python on its PATH"
		return f
	}
	return first
}

// executablePath finds a command as a shell does. The failure that it returns separates not found from not executable.
func executablePath(name string) (string, error) {
	if strings.Contains(name, "/") {
		return name, nil
	}
	path := os.Getenv("PATH")
	if path == "" {
		path = usualPath
	}
	forbidden, unreachable := "", ""
	for _, folder := range filepath.SplitList(path) {
		if !filepath.IsAbs(folder) {
			continue
		}
		candidate := filepath.Join(folder, name)
		info, err := os.Stat(candidate)
		if errors.Is(err, fs.ErrPermission) && unreachable == "" {
			unreachable = unreachableText(candidate)
		}
		if err != nil || info.IsDir() {
			continue
		}
		if info.Mode()&0o111 != 0 {
			return candidate, nil
		}
		forbidden = candidate
	}
	if forbidden != "" {
		return "", failure{exitNotExecutable, codeNotExecutable, fmt.Sprintf("not executable: %s", forbidden)}
	}
	if unreachable != "" {
		return "", failure{exitNotExecutable, codeNotExecutable, unreachable}
	}
	return "", failure{exitNotFound, codeNotFound, fmt.Sprintf("executable not found: %s", name)}
}

// unreachableText explains a program on the PATH that is below a folder, or a link into one, that this user may not enter.
func unreachableText(path string) string {
	target := ""
	if link, err := os.Readlink(path); err == nil {
		target = " is a link to " + link + ", which"
	}
	return fmt.Sprintf("%s%s can't be reached by uid %d: put it into a folder that everyone may enter, not below a home such as /root (uv: UV_PYTHON_INSTALL_DIR=/opt/python)", path, target, os.Getuid())
}

// startError explains why the system did not start a command.
func startError(name, path string, err error) error {
	if errors.Is(err, syscall.ENOENT) {
		if _, statErr := os.Stat(path); statErr != nil {
			return failure{exitNotFound, codeNotFound, fmt.Sprintf("executable not found: %s", name)}
		}
		return failure{exitNotExecutable, codeNotExecutable, fmt.Sprintf("not executable: %s: its interpreter or loader is not in this image", path)}
	}
	if errors.Is(err, syscall.ENOEXEC) {
		return failure{exitNotExecutable, codeNotExecutable, fmt.Sprintf("not executable: %s: built for another kind of machine, or a script without a #! line", path)}
	}
	return failure{exitNotExecutable, codeNotExecutable, fmt.Sprintf("not executable: %s: %v", path, err)}
}
