package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func write(t *testing.T, path, content string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// configMap makes a folder as the kubelet mounts a ConfigMap.
func configMap(t *testing.T) string {
	t.Helper()
	folder := filepath.Join(t.TempDir(), "mount")
	write(t, filepath.Join(folder, "..2026_01_01", "test_a.py"), "a", 0o644)
	write(t, filepath.Join(folder, "..2026_01_01", "deep", "test_b.py"), "b", 0o444)
	write(t, filepath.Join(folder, "..2026_01_01", "run.sh"), "#!", 0o755)
	for link, to := range map[string]string{"..data": "..2026_01_01", "test_a.py": "..data/test_a.py", "deep": "..data/deep", "run.sh": "..data/run.sh"} {
		if err := os.Symlink(to, filepath.Join(folder, link)); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

func TestCopyOfAConfigMap(t *testing.T) {
	target := filepath.Join(t.TempDir(), "new", "tests")
	for range 2 { // again over the first copy: a container that was restarted
		if err := copyFolder(configMap(t), target); err != nil {
			t.Fatal(err)
		}
	}
	found := map[string]string{}
	filepath.WalkDir(target, func(path string, entry os.DirEntry, err error) error {
		if entry.Type().IsRegular() {
			info, _ := entry.Info()
			relative, _ := filepath.Rel(target, path)
			found[relative] = info.Mode().String() + " " + read(t, path)
		} else if !entry.IsDir() {
			t.Errorf("%s is %v", path, entry.Type())
		}
		return err
	})
	want := map[string]string{"test_a.py": "-rw-r--r-- a", "deep/test_b.py": "-r--r--r-- b", "run.sh": "-rwxr-xr-x #!"}
	if len(found) != len(want) {
		t.Errorf("found %v", found)
	}
	for path, content := range want {
		if found[path] != content {
			t.Errorf("%s: %q, want %q", path, found[path], content)
		}
	}
}

func TestCopyDoesNotWriteThroughALink(t *testing.T) {
	source, target, elsewhere := t.TempDir(), t.TempDir(), filepath.Join(t.TempDir(), "elsewhere")
	write(t, filepath.Join(source, "a"), "new", 0o644)
	write(t, elsewhere, "old", 0o644)
	if err := os.Symlink(elsewhere, filepath.Join(target, "a")); err != nil {
		t.Fatal(err)
	}
	if err := copyFolder(source, target); err != nil {
		t.Fatal(err)
	}
	if read(t, elsewhere) != "old" || read(t, filepath.Join(target, "a")) != "new" {
		t.Error("the file behind the link was changed")
	}
}

func TestCopyRefused(t *testing.T) {
	file, loop, dangling := filepath.Join(t.TempDir(), "file"), t.TempDir(), t.TempDir()
	write(t, file, "", 0o644)
	os.Symlink("..", filepath.Join(loop, "up"))
	os.Symlink(loop, filepath.Join(loop, "self"))
	os.Symlink("nowhere", filepath.Join(dangling, "link"))
	for source, want := range map[string]string{
		"/nonexistent": "no such file", file: "not a folder", loop: "leads back", dangling: "no such file",
	} {
		if err := copyFolder(source, filepath.Join(t.TempDir(), "to")); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", source, err, want)
		}
	}
}

func TestOOMCounter(t *testing.T) {
	const events, control = "low 0\nhigh 0\nmax 7\noom 3\noom_kill %\noom_group_kill 0\n", "oom_kill_disable 0\nunder_oom 0\noom_kill %\n"
	for _, test := range []struct{ name, membership, path, content string }{
		{"version 2 in its own namespace", "0::/\n", "sys/fs/cgroup/memory.events", events},
		{"version 2 by path", "0::/kubepods/pod1/c\n", "sys/fs/cgroup/kubepods/pod1/c/memory.events", events},
		{"version 2 with the host's path", "0::/kubepods/pod1/c\n", "sys/fs/cgroup/memory.events", events},
		{"version 1", "5:cpu,cpuacct:/\n4:memory:/docker/x\n", "sys/fs/cgroup/memory/memory.oom_control", control},
		{"version 1 beside an empty version 2", "4:hugetlb,memory:/x\n0::/x\n", "sys/fs/cgroup/memory/x/memory.oom_control", control},
	} {
		root := t.TempDir()
		set := func(count string) {
			write(t, filepath.Join(root, test.path), strings.ReplaceAll(test.content, "%", count), 0o644)
		}
		write(t, filepath.Join(root, "proc/self/cgroup"), test.membership, 0o644)
		set("2")
		counter := newOOMCounter(root)
		if counter.path == "" || counter.risen() {
			t.Errorf("%s: %+v before", test.name, counter)
		}
		set("3")
		if !counter.risen() {
			t.Errorf("%s: the rise was not seen", test.name)
		}
	}
	if newOOMCounter(t.TempDir()).risen() {
		t.Error("risen without a counter")
	}
}

func TestFindingCommands(t *testing.T) {
	folder := t.TempDir()
	write(t, filepath.Join(folder, "tool"), "", 0o755)
	write(t, filepath.Join(folder, "python3"), "", 0o755)
	write(t, filepath.Join(folder, "data"), "", 0o644)
	os.Mkdir(filepath.Join(folder, "folder"), 0o755)
	t.Setenv("PATH", "relative:"+folder)
	for _, test := range []struct {
		options options
		command string
		status  int
		text    string
	}{
		{options{command: []string{"tool", "x"}}, "tool x", 0, ""},
		{options{command: []string{"/any/where"}}, "/any/where", 0, ""},
		{options{command: []string{"-m", "pytest"}, python: true}, "python3 -m pytest", 0, ""},
		{options{command: []string{"nothing"}}, "", exitNotFound, "executable not found: nothing"},
		{options{command: []string{"folder"}}, "", exitNotFound, "executable not found: folder"},
		{options{command: []string{"data"}}, "", exitNotExecutable, "not executable: " + filepath.Join(folder, "data")},
	} {
		err := findCommand(&test.options)
		if test.status == 0 {
			if got := strings.Join(test.options.command, " "); err != nil || got != test.command {
				t.Errorf("%q: %v, want %q", got, err, test.command)
			}
			continue
		}
		if f, ok := errors.AsType[failure](err); !ok || f.status != test.status || f.text != test.text {
			t.Errorf("%v: %v", test.options.command, err)
		}
	}
	link := filepath.Join(t.TempDir(), "python")
	if err := os.Symlink("/root/.local/share/uv/python/bin/python3.13", link); err != nil {
		t.Fatal(err)
	}
	want := link + " is a link to /root/.local/share/uv/python/bin/python3.13, which can't be reached by uid "
	if text := unreachableText(link); !strings.HasPrefix(text, want) {
		t.Errorf("out of reach: %s", text)
	}
	t.Setenv("PATH", t.TempDir())
	err := findCommand(&options{command: []string{"-c", ""}, python: true})
	if f, ok := errors.AsType[failure](err); !ok || f.status != exitNotFound || !strings.HasPrefix(f.text, "executable not found: python (nor python3)") {
		t.Errorf("no Python: %v", err)
	}
}
