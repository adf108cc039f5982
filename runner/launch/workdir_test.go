package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestWorkdirIsAWritableCopy(t *testing.T) {
	image, volume := filepath.Join(t.TempDir(), "app"), t.TempDir()
	write(t, filepath.Join(image, "tests", "test_a.py"), "a", 0o444)
	write(t, filepath.Join(image, "run.sh"), "#!", 0o555)
	write(t, filepath.Join(image, ".venv", "pyvenv.cfg"), "", 0o644)
	write(t, filepath.Join(image, "node_modules", "x", "index.js"), "", 0o644)
	if err := os.Symlink("tests/test_a.py", filepath.Join(image, "link.py")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/no/such/place", filepath.Join(image, "dangling")); err != nil {
		t.Fatal(err)
	}
	old := time.Date(2020, 2, 3, 4, 5, 6, 0, time.UTC)
	for _, name := range []string{"tests/test_a.py", "tests"} {
		if err := os.Chtimes(filepath.Join(image, name), old, old); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(filepath.Join(image, "tests"), 0o555); err != nil {
		t.Fatal(err)
	}

	if err := copyWorkdir(image, volume, false); err != nil {
		t.Fatal(err)
	}

	if content := read(t, filepath.Join(volume, "tests", "test_a.py")); content != "a" {
		t.Errorf("test_a.py: %q", content)
	}
	for name, mode := range map[string]os.FileMode{"tests/test_a.py": 0o644, "run.sh": 0o755, "tests": 0o755} {
		info, err := os.Stat(filepath.Join(volume, name))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != mode {
			t.Errorf("%s: mode %o, want %o", name, info.Mode().Perm(), mode)
		}
		if name != "run.sh" && !info.ModTime().Equal(old) {
			t.Errorf("%s: time %s, want %s", name, info.ModTime(), old)
		}
	}
	for name, leads := range map[string]string{
		"link.py": "tests/test_a.py", "dangling": "/no/such/place",
		".venv": filepath.Join(image, ".venv"), "node_modules": filepath.Join(image, "node_modules"),
	} {
		if got, err := os.Readlink(filepath.Join(volume, name)); err != nil || got != leads {
			t.Errorf("%s leads to %q (%v), want %q", name, got, err, leads)
		}
	}
}

func TestWorkdirLeavesWhatIsMountedInside(t *testing.T) {
	image, volume := filepath.Join(t.TempDir(), "app"), t.TempDir()
	write(t, filepath.Join(image, "data", "of-image.txt"), "", 0o644)
	write(t, filepath.Join(image, ".venv", "pyvenv.cfg"), "home", 0o644)
	write(t, filepath.Join(volume, "data", "shared.txt"), "", 0o644)

	mounted := map[string]bool{filepath.Join(volume, "data"): true}
	if err := (&workdirCopy{source: image, target: volume, whole: true, mounted: mounted}).run(); err != nil {
		t.Fatal(err)
	}

	if _, err := os.Stat(filepath.Join(volume, "data", "of-image.txt")); !os.IsNotExist(err) {
		t.Errorf("of-image.txt was copied into the mounted folder: %v", err)
	}
	if content := read(t, filepath.Join(volume, ".venv", "pyvenv.cfg")); content != "home" {
		t.Errorf("pyvenv.cfg: %q", content)
	}
}

func TestWorkdirOfAContainerThatIsStartedAgain(t *testing.T) {
	image, volume := filepath.Join(t.TempDir(), "app"), t.TempDir()
	write(t, filepath.Join(image, "pkg", "a.py"), "of the image", 0o644)
	write(t, filepath.Join(image, ".venv", "pyvenv.cfg"), "home", 0o644)
	for link, leads := range map[string]string{"link": "pkg/a.py", "to-folder": "pkg"} {
		if err := os.Symlink(leads, filepath.Join(image, link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := copyWorkdir(image, volume, false); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(volume, "pkg", "a.py"), "changed", 0o644)
	write(t, filepath.Join(volume, "pkg", "written.txt"), "by the app", 0o644)
	if err := errors.Join(os.Remove(filepath.Join(volume, "link")), os.Mkdir(filepath.Join(volume, "link"), 0o755)); err != nil {
		t.Fatal(err)
	}

	if err := copyWorkdir(image, volume, false); err != nil {
		t.Fatal(err)
	}
	for name, expected := range map[string]string{"pkg/a.py": "of the image", "pkg/written.txt": "by the app", "link": "of the image", ".venv/pyvenv.cfg": "home"} {
		if content := read(t, filepath.Join(volume, name)); content != expected {
			t.Errorf("%s: %q", name, content)
		}
	}
}

func TestMountPointsAreKnown(t *testing.T) {
	points := mountPoints()
	if !points["/"] || !points["/proc"] || points[t.TempDir()] {
		t.Errorf("%v", points)
	}
}

func TestBundleOverAFolderThatTheImageDoesNotHave(t *testing.T) {
	absent, target := filepath.Join(t.TempDir(), "app"), t.TempDir()
	o := &options{bundle: &bundle{target: target}}
	o.workdirs = []pair{{absent, target}}
	if err := copyWorkdirs(o); err != nil {
		t.Error(err)
	}
	o.bundle.target = "/elsewhere"
	if err := copyWorkdirs(o); err == nil || !strings.Contains(err.Error(), "check workingDir") {
		t.Error(err)
	}
	if status := launch([]string{"workdir", "--optional", absent, target}, time.Now()); status != 0 {
		t.Errorf("status %d", status)
	}
	if status := launch([]string{"workdir", absent, target}, time.Now()); status != exitIO {
		t.Errorf("status %d", status)
	}
}

func TestWorkdirThatTheImageDoesNotHave(t *testing.T) {
	for name, content := range map[string]string{"absent": "", "file": "x"} {
		image := filepath.Join(t.TempDir(), "app")
		if content != "" {
			write(t, image, content, 0o644)
		}
		err := copyWorkdir(image, "/app", false)
		if err == nil || !strings.Contains(err.Error(), "/app") || !strings.Contains(err.Error(), "check workingDir") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func BenchmarkWorkdir(b *testing.B) {
	image := filepath.Join(b.TempDir(), "app")
	content := []byte(strings.Repeat("def test(): pass\n", 120))
	for folder := range 200 {
		path := filepath.Join(image, "package", "f"+string(rune('a'+folder%26))+time.Duration(folder).String())
		if err := os.MkdirAll(path, 0o755); err != nil {
			b.Fatal(err)
		}
		for file := range 100 {
			if err := os.WriteFile(filepath.Join(path, time.Duration(file).String()+".py"), content, 0o644); err != nil {
				b.Fatal(err)
			}
		}
	}
	for b.Loop() {
		if err := copyWorkdir(image, b.TempDir(), false); err != nil {
			b.Fatal(err)
		}
	}
}
