package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// unpackInto unpacks a bundle over a folder, whose parent has only that.
func unpackInto(t testing.TB, target string, bundle packed, images ...pair) (unpacked, error) {
	t.Helper()
	wanted := newBundle()
	wanted.target = target
	return unpack(bytes.NewReader(bundle.bytes), wanted, images)
}

func link(t testing.TB, leads, name string) {
	t.Helper()
	if err := os.Symlink(leads, name); err != nil {
		t.Fatal(err)
	}
}

func TestABundleReplacesWhatIsThere(t *testing.T) {
	folder := t.TempDir()
	target, outside := filepath.Join(folder, "app"), filepath.Join(folder, "outside")
	write(t, filepath.Join(outside, "secret"), "outside", 0o644)
	write(t, filepath.Join(target, "kept.py"), "image", 0o644)
	write(t, filepath.Join(target, "file.py"), "image, and longer", 0o444)
	write(t, filepath.Join(target, "was-folder", "x"), "image", 0o644)
	write(t, filepath.Join(target, "was-file"), "image", 0o644)
	write(t, filepath.Join(target, "real", "x"), "image", 0o644)
	link(t, filepath.Join(outside, "secret"), filepath.Join(target, "link-to-file"))
	link(t, outside, filepath.Join(target, "link-to-folder"))
	link(t, "real", filepath.Join(target, "link-inside"))
	executable := regular("run.sh", "#!/bin/sh")
	executable.Mode = 0o755
	shared := regular("shared", "for all")
	shared.Mode = 0o666
	bundle := pack(t,
		regular("file.py", "bundle"), regular("was-folder", "bundle"), regular("was-file/y", "bundle"), regular("link-to-file", "bundle"),
		regular("link-to-folder/secret", "bundle"), regular("link-inside/x", "bundle"), executable, shared,
		tar.Header{Typeflag: tar.TypeDir, Name: "empty/", Mode: 0o555}, symlink("new/link", "../file.py"), symlink("new/round", "../new/../kept.py"),
	)
	done, err := unpackInto(t, target, bundle)
	if err != nil {
		t.Fatal(err)
	}
	if done.files != 8 || done.size != int64(6*len("bundle")+len("#!/bin/sh")+len("for all")) {
		t.Errorf("%+v", done)
	}
	for name, content := range map[string]string{
		"kept.py": "image", "file.py": "bundle", "was-folder": "bundle", "was-file/y": "bundle", "link-to-file": "bundle", "link-to-folder/secret": "bundle",
		"link-inside/x": "bundle", "real/x": "image", "../outside/secret": "outside", "new/link": "bundle", "new/round": "image",
	} {
		if found := read(t, filepath.Join(target, name)); found != content {
			t.Errorf("%s: %q, want %q", name, found, content)
		}
	}
	for name, mode := range map[string]fs.FileMode{"run.sh": 0o755, "shared": 0o666, "file.py": 0o644, "empty": 0o755 | fs.ModeDir} {
		if info, err := os.Lstat(filepath.Join(target, name)); err != nil || info.Mode() != mode {
			t.Errorf("%s: %v %v, want %v", name, info.Mode(), err, mode)
		}
	}
}

func TestABundleOpensTheFoldersThatTheWorkdirLinks(t *testing.T) {
	image, target := filepath.Join(t.TempDir(), "app"), t.TempDir()
	write(t, filepath.Join(image, ".venv", "pyvenv.cfg"), "", 0o644)
	write(t, filepath.Join(image, ".venv", "lib", "old.py"), "image", 0o644)
	write(t, filepath.Join(image, ".venv", "lib", "deep", "a.py"), "image", 0o644)
	if err := copyWorkdir(image, target, false); err != nil {
		t.Fatal(err)
	}
	if _, err := unpackInto(t, target, pack(t, regular(".venv/lib/old.py", "bundle"), regular(".venv/lib/new.py", "bundle")), pair{image, target}); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{"lib/old.py": "bundle", "lib/new.py": "bundle", "lib/deep/a.py": "image", "pyvenv.cfg": ""} {
		if found := read(t, filepath.Join(target, ".venv", name)); found != content {
			t.Errorf("%s: %q, want %q", name, found, content)
		}
	}
	if found := read(t, filepath.Join(image, ".venv", "lib", "old.py")); found != "image" || exists(filepath.Join(image, ".venv", "lib", "new.py")) {
		t.Errorf("the image was written to: %q", found)
	}
}

func TestLockFilesThatDifferAreNamed(t *testing.T) {
	target := t.TempDir()
	for _, name := range []string{"uv.lock", "same/poetry.lock", "docs/requirements-dev.txt", "requirements.in"} {
		write(t, filepath.Join(target, name), "image", 0o644)
	}
	bundle := pack(t,
		regular("uv.lock", "bundle"), regular("same/poetry.lock", "image"), regular("docs/requirements-dev.txt", "image and more"),
		regular("requirements.in", "bundle"), regular("pdm.lock", "only in the bundle"),
	)
	done, err := unpackInto(t, target, bundle)
	if err != nil || !slices.Equal(done.lockFiles, []string{"docs/requirements-dev.txt", "uv.lock"}) {
		t.Errorf("%+v, %v", done, err)
	}
}

func TestWhatABundleMustNotHave(t *testing.T) {
	long := strings.Repeat("x", 256)
	of := func(kind byte) tar.Header { return tar.Header{Typeflag: kind, Name: "special", Linkname: "a"} }
	for name, entries := range map[string][]tar.Header{
		"leads out":          {regular("../a", "x")},
		"inside a folder":    {regular("a/../../b", "x")},
		"absolute":           {regular("/etc/passwd", "x")},
		"absolute link":      {symlink("a", "/etc/passwd")},
		"link out":           {symlink("a/b", "../../c")},
		"link to nothing":    {symlink("a", "")},
		"link by a link":     {regular("d/e/f", "x"), symlink("d/e/up", "../.."), symlink("d/e/out", "up/../../x")},
		"link by a link 2":   {symlink("d/up", ".."), symlink("d/e/out", "../up/../x")},
		"below a link":       {symlink("a", "."), regular("a/b", "x")},
		"below a file":       {regular("a", "x"), regular("a/b", "x")},
		"twice":              {regular("a", "x"), regular("./a", "y")},
		"link over a file":   {regular("a", "x"), symlink("a", "b")},
		"file over a folder": {{Typeflag: tar.TypeDir, Name: "a/", Mode: 0o755}, regular("a", "x")},
		"hard link":          {regular("a", "x"), of(tar.TypeLink)},
		"pipe":               {of(tar.TypeFifo)},
		"device":             {of(tar.TypeChar)},
		"disk":               {of(tar.TypeBlock)},
		"long name":          {regular(long, "x")},
		"long path":          {regular(strings.Repeat("x/", 2100)+"a", "x")},
		"root as a file":     {regular(".", "x")},
		"bomb":               {{Typeflag: tar.TypeReg, Name: "a", Size: 1 << 20}, {Typeflag: tar.TypeReg, Name: "b", Size: 1}},
		"many":               {regular("a", ""), regular("b", ""), regular("c", ""), regular("d", ""), regular("e", "")},
	} {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			wanted := newBundle()
			wanted.target, wanted.unpackedLimit, wanted.entriesLimit = filepath.Join(folder, "app"), 1<<20, 4
			_, err := unpack(bytes.NewReader(pack(t, entries...).bytes), wanted, nil)
			if _, isBroken := errors.AsType[brokenError](err); !isBroken {
				t.Errorf("%v", err)
			}
			if found, err := os.ReadDir(folder); err != nil || len(found) != 1 {
				t.Errorf("%v, %v", found, err)
			}
		})
	}
}

func TestWhatIsNoBundle(t *testing.T) {
	good := pack(t, regular("a", strings.Repeat("content", 1000)))
	for name, content := range map[string][]byte{
		"nothing": nil, "text": []byte("<html>"), "cut": good.bytes[:len(good.bytes)-20], "more after it": append(slices.Clone(good.bytes), "more"...),
	} {
		_, err := unpackInto(t, t.TempDir(), newPacked(content))
		if _, isBroken := errors.AsType[brokenError](err); !isBroken {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What the file system refuses is no fault of the bundle.
func TestATargetThatCanNotBeWritten(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	write(t, file, "", 0o644)
	_, err := unpackInto(t, filepath.Join(file, "app"), pack(t, regular("a", "x")))
	if _, isBroken := errors.AsType[brokenError](err); err == nil || isBroken {
		t.Errorf("%v", err)
	}
}

func FuzzUnpack(f *testing.F) {
	for _, entries := range [][]tar.Header{
		{regular("a/b.py", "content"), symlink("a/c", "b.py"), {Typeflag: tar.TypeDir, Name: "d/", Mode: 0o755}},
		{regular("../a", "x")}, {regular("/a", "x")}, {symlink("a", "../../outside")}, {symlink("link/x", "y"), regular("link/secret", "x")},
		{regular("link", "x")}, {{Typeflag: tar.TypeLink, Name: "a", Linkname: "link/secret"}}, {regular(strings.Repeat("long/", 50)+"a", "x")},
	} {
		var archive bytes.Buffer
		writer := tar.NewWriter(&archive)
		for _, header := range entries {
			content := header.PAXRecords["SEATRIAL.content"]
			header.PAXRecords = nil
			if err := errors.Join(writer.WriteHeader(&header), func() error { _, err := writer.Write([]byte(content)); return err }(), writer.Flush()); err != nil {
				f.Fatal(err)
			}
		}
		f.Add(archive.Bytes())
	}
	f.Fuzz(func(t *testing.T, archive []byte) {
		folder := t.TempDir()
		target, outside := filepath.Join(folder, "app"), filepath.Join(folder, "outside")
		write(t, filepath.Join(outside, "secret"), "outside", 0o644)
		if err := os.Mkdir(target, 0o755); err != nil {
			t.Fatal(err)
		}
		link(t, outside, filepath.Join(target, "link"))
		var zipped bytes.Buffer
		writer := gzip.NewWriter(&zipped)
		if _, err := writer.Write(archive); err != nil {
			t.Fatal(err)
		}
		if err := writer.Close(); err != nil {
			t.Fatal(err)
		}
		wanted := newBundle()
		wanted.target, wanted.unpackedLimit, wanted.entriesLimit = target, 1<<20, 100
		_, err := unpack(&zipped, wanted, nil)
		if _, isBroken := errors.AsType[brokenError](err); err != nil && !isBroken {
			t.Errorf("%v", err)
		}
		for place, want := range map[string]string{folder: "[app outside]", outside: "[secret]"} {
			found, err := os.ReadDir(place)
			names := []string{}
			for _, entry := range found {
				names = append(names, entry.Name())
			}
			if err != nil || fmt.Sprint(names) != want {
				t.Errorf("%s has %v, %v", place, names, err)
			}
		}
		if content := read(t, filepath.Join(outside, "secret")); content != "outside" {
			t.Errorf("wrote %q outside", content)
		}
	})
}
