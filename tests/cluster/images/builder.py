"""Builds the project's images and writes each as an archive that `kind load image-archive` takes.

Prints the archives' paths, one a line, to stdout; progress goes to stderr. What is built already is not built again: an
archive's name holds a hash of all that its image is made of. images.toml lists the images.

With a Docker daemon, `docker build` builds; without one, `podman build`. Where no registry can be reached, the base
images are made here under their usual names: Debian from its packages (mmdebstrap), Go's image from that and this
machine's own Go.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import tomllib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
CACHE = Path(
    os.environ.get("SEATRIAL_CACHE") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "seatrial"
)
IMAGES = CACHE / "images"
LOGS = IMAGES / "logs"

DEBIAN = "docker.io/library/debian:trixie-slim"
GOLANG = "docker.io/library/golang:1.26-trixie"

# Settings of the package clients that a machine may need to reach their registries: given to the build, never kept in
# an image.
CLIENT_SETTINGS = ("PIP_INDEX_URL", "GOPROXY", "GOSUMDB")

# What the build borrows of this machine is mounted below a folder that every base image has, so that no mount point
# stays in an image.
BORROWED = "/mnt"

# Debian's own images keep apt from leaving its caches behind; a base made here does the same.
APT_KEEPS_NOTHING = """\
DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb || true"; };
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
Acquire::Languages "none";
"""

NOT_INPUT = {"__pycache__", ".pytest_cache", ".mypy_cache", ".ruff_cache", ".git"}
NOT_INPUT_ENDINGS = (".pyc", "_test.go")

STARTED = time.monotonic()


class BuildError(Exception):
    """A build that failed, as a message: what, where, and what to do next."""


def say(name: str, text: str) -> None:
    print(f"[{time.monotonic() - STARTED:6.1f}s] {name:<17}{text}", file=sys.stderr, flush=True)


@dataclass(frozen=True)
class Image:
    """One line of images.toml, with the hash of all that it is made of."""

    name: str
    image: str  # name:tag, without a registry
    dockerfile: Path
    context: Path
    shares: str
    key: str
    parent: Image | None  # the project's image that its Dockerfile starts from

    @property
    def full_name(self) -> str:
        """The name as containerd spells it out."""
        return f"docker.io/{self.image}"

    @property
    def archive(self) -> Path:
        return IMAGES / f"{self.name}-{self.key}.tar"

    @property
    def bases(self) -> list[str]:
        text = self.dockerfile.read_text()
        return [base for base in (DEBIAN, GOLANG) if base in text] + (self.parent.bases if self.parent else [])


def files_of(path: Path) -> Iterator[Path]:
    """All files of a folder in a stable order, or the file itself; without what tools leave behind."""
    if not path.is_dir():
        yield path
        return
    for child in sorted(path.iterdir()):
        if child.name not in NOT_INPUT and not child.name.endswith(NOT_INPUT_ENDINGS):
            yield from files_of(child)


def key_of(made_of: str, root: Path, inputs: list[Path]) -> str:
    """Hash of a text and of the inputs' paths, modes and contents."""
    digest = hashlib.sha256(made_of.encode())
    for file in (file for path in inputs for file in files_of(path)):
        content = file.read_bytes()
        executable = os.access(file, os.X_OK)
        digest.update(f"\0{file.relative_to(root)}\0{executable}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:16]


def read_table(root: Path, table: Path, names: list[str]) -> list[Image]:
    """Reads the named images, or all, from images.toml.

    Raises:
        BuildError: the table has no image of that name, or an input that it names isn't there.
    """
    version = tomllib.loads((root / "pyproject.toml").read_text())["project"]["version"]
    entries = tomllib.loads(table.read_text())
    if unknown := set(names) - set(entries):
        raise BuildError(f"no such image: {', '.join(sorted(unknown))}; there are {', '.join(entries)}")

    def read(name: str) -> Image:
        entry = entries[name]
        context = root / entry["context"]
        dockerfile = root / entry["dockerfile"] if "dockerfile" in entry else context / "Dockerfile"
        inputs = [dockerfile, *(root / path for path in entry.get("inputs", [entry["context"]]))]
        for path in inputs:
            if not path.exists():
                raise BuildError(f"{name}: {path} does not exist; {table} names it")
        parent = read(entry["from"]) if "from" in entry else None
        image = entry["image"].format(version=version)
        key = key_of(f"{image} {parent.key if parent else ''}", root, inputs)
        return Image(name, image, dockerfile, context, entry.get("shares", name), key, parent)

    return [read(name) for name in names or entries]


def run(command: list[str], log: Path, **options: object) -> None:
    """Runs a command with its output appended to the log.

    Raises:
        BuildError: it failed; carries the log's last lines and its path.
    """
    with log.open("a") as out:
        print("+", *command, file=out, flush=True)
        code = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, check=False, **options
        ).returncode  # type: ignore[call-overload]
    if code != 0:
        tail = "".join(f"    {line}\n" for line in log.read_text(errors="replace").splitlines()[-25:])
        raise BuildError(
            f"`{' '.join(command[:2])}` ended with {code}. The end of its log:\n{tail}  the whole log: {log}"
        )


def succeeds(command: list[str], log: Path, seconds: float) -> bool:
    with log.open("a") as out:
        print("+", *command, file=out, flush=True)
        try:
            return (
                subprocess.run(
                    command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, timeout=seconds, check=False
                ).returncode
                == 0
            )
        except subprocess.TimeoutExpired:
            print(f"no answer within {seconds} s", file=out)
            return False


@contextmanager
def locked(name: str) -> Iterator[None]:
    """One at a time on this machine does what is called by this name."""
    with (IMAGES / f".{name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(name, "waiting: another build on this machine is at it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


class Engine:
    """Docker or Podman, which understand the same commands but for a few options."""

    def __init__(self, program: str, build_options: list[str]) -> None:
        self.program = program
        self._build_options = build_options
        self._reaches_registry = True

    def build(
        self, full_name: str, dockerfile: Path, context: Path, args: dict[str, str], no_cache: bool, log: Path
    ) -> None:
        options = [*self._build_options, *(["--no-cache"] if no_cache else [])]
        for key, value in args.items():
            options += ["--build-arg", f"{key}={value}"]
        run([self.program, "build", *options, "-t", full_name, "-f", str(dockerfile), str(context)], log)

    def save(self, full_name: str, archive: Path, log: Path) -> None:
        run([self.program, "save", "-o", str(archive), full_name], log)

    def load(self, archive: Path, log: Path) -> None:
        run([self.program, "load", "-i", str(archive)], log)

    def id_of(self, full_name: str) -> str:
        """The image's id in the local store; empty if it isn't there."""
        command = [self.program, "image", "inspect", "--format", "{{.Id}}", full_name]
        return subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False
        ).stdout.strip()

    def remove(self, image_id: str, log: Path) -> None:
        """Removes one image, by its id, that nothing uses any more; if something does, it stays."""
        succeeds([self.program, "rmi", image_id], log, seconds=60)

    def pull(self, full_name: str, log: Path) -> bool:
        """Whether the image could be had from its registry; after one failure no registry is asked again."""
        self._reaches_registry = self._reaches_registry and succeeds(
            [self.program, "pull", full_name], log, seconds=300
        )
        return self._reaches_registry


def choose_engine() -> Engine:
    """Docker where its daemon answers, else Podman.

    Raises:
        BuildError: there is neither.
    """
    if shutil.which("docker") and succeeds(["docker", "info"], LOGS / "engine.log", seconds=10):
        return Engine("docker", [])
    if not shutil.which("podman"):
        raise BuildError(
            "no Docker daemon answers and Podman is not installed: "
            "start Docker, or install Podman (apt-get install podman mmdebstrap)"
        )
    # The image store, and settings with which Podman works on any machine, are those of the test cluster.
    settings = subprocess.run(
        ["bash", "-c", '. "$0" && env -0', str(HERE.parent / "lib" / "env.sh")], stdout=subprocess.PIPE, check=True
    ).stdout
    os.environ.update(
        {name: value for name, _, value in (pair.partition("=") for pair in settings.decode().split("\0")) if name}
    )
    return Engine("podman", ["--layers", "--network", "host", *borrowed()])


def borrowed() -> list[str]:
    """Options of `podman build` that lend the build this machine's certificate authorities (a proxy before the
    registries may have its own) and what its Go has downloaded and compiled.
    """
    folder = IMAGES / "borrowed"
    for name in ("go-modules", "go-build"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    options = ["--volume", f"{folder}:{BORROWED}"]
    bundles = (
        os.environ.get("SSL_CERT_FILE"),
        "/etc/ssl/certs/ca-certificates.crt",
        "/etc/pki/tls/certs/ca-bundle.crt",
    )
    if bundle := next((path for path in bundles if path and Path(path).is_file()), None):
        shutil.copyfile(bundle, folder / "ca.pem")
        for setting in ("PIP_CERT", "SSL_CERT_FILE"):
            options += ["--build-arg", f"{setting}={BORROWED}/ca.pem"]
    if shutil.which("go"):
        modules, compiled = subprocess.run(
            ["go", "env", "GOMODCACHE", "GOCACHE"], stdout=subprocess.PIPE, text=True, check=True
        ).stdout.split()
        for setting, name, source in (("GOMODCACHE", "go-modules", modules), ("GOCACHE", "go-build", compiled)):
            Path(source).mkdir(parents=True, exist_ok=True)
            options += ["--volume", f"{source}:{BORROWED}/{name}", "--build-arg", f"{setting}={BORROWED}/{name}"]
    return options


def ensure_base(engine: Engine, base: str, fresh: bool) -> None:
    """Has the base image in the local store: pulled, else made here.

    Raises:
        BuildError: it could be neither pulled nor made.
    """
    log = LOGS / "bases.log"
    if not fresh and engine.id_of(base):
        return
    if engine.pull(base, log):
        say("base", f"{base} pulled")
        return
    say(
        "base",
        f"{base}: no registry can be reached; making it from "
        f"{'Debian packages' if base == DEBIAN else 'Debian and the Go of this machine'}",
    )
    with tempfile.TemporaryDirectory(dir=IMAGES, prefix="base-") as folder:
        context = Path(folder)
        if base == DEBIAN:
            make_debian(context, log)
        else:
            ensure_base(engine, DEBIAN, fresh=False)
            make_golang(context, log)
        engine.build(base, context / "Dockerfile", context, {}, False, log)
    say("base", f"{base} made")


def make_debian(context: Path, log: Path) -> None:
    """A root file system like Debian's slim image: no manuals, translations or package lists; nothing of the host."""
    if not shutil.which("mmdebstrap"):
        raise BuildError(f"{DEBIAN} can't be pulled, and to make it mmdebstrap is needed: apt-get install mmdebstrap")
    excluded = [
        f"--dpkgopt=path-exclude=/usr/share/{folder}/*" for folder in ("doc", "man", "info", "locale", "lintian")
    ]
    apt = context / "seatrial-keeps-nothing"
    apt.write_text(APT_KEEPS_NOTHING)
    hooks = [
        f"--customize-hook=copy-in {apt} /etc/apt/apt.conf.d",
        '--customize-hook=rm -rf "$1"/etc/resolv.conf "$1"/etc/hostname "$1"/var/cache/apt/*.bin',
    ]
    run(
        [
            "mmdebstrap",
            "--variant=minbase",
            *excluded,
            "--dpkgopt=path-include=/usr/share/doc/*/copyright",
            *hooks,
            "trixie",
            str(context / "debian.tar"),
        ],
        log,
    )
    (context / "Dockerfile").write_text('FROM scratch\nADD debian.tar /\nCMD ["bash"]\n')


def make_golang(context: Path, log: Path) -> None:
    """Debian with the Go tool chain of this machine where Go's own image has it.

    Raises:
        BuildError: no Go, or another release than the image's name says.
    """
    wanted = "go" + GOLANG.rpartition(":")[2].partition("-")[0]
    if not shutil.which("go"):
        raise BuildError(f"{GOLANG} can't be pulled, and to make it Go is needed: install {wanted}")
    version, goroot = subprocess.run(
        ["go", "env", "GOVERSION", "GOROOT"], stdout=subprocess.PIPE, text=True, check=True
    ).stdout.split()
    if not f"{version}.".startswith(f"{wanted}."):
        raise BuildError(f"{GOLANG} can't be pulled, and this machine has {version} to make it of: install {wanted}")
    run(
        [
            "tar",
            "-C",
            goroot,
            "--exclude=./test",
            "--exclude=./doc",
            "--exclude=./api",
            "-cf",
            str(context / "go.tar"),
            ".",
        ],
        log,
    )
    (context / "Dockerfile").write_text(
        f"FROM {DEBIAN}\nADD go.tar /usr/local/go/\n"
        "ENV GOPATH=/go PATH=/go/bin:/usr/local/go/bin:/usr/local/bin:/usr/bin:/bin\nWORKDIR /go\n"
    )


def build(engine: Engine, image: Image, args: dict[str, str], fresh: bool, no_cache: bool) -> None:
    """Builds one image and writes its archive; older archives of it are removed. Its parent is built already.

    Raises:
        BuildError: the build failed.
    """
    log = LOGS / f"{image.name}.log"
    with locked(image.name):
        if image.archive.exists() and not fresh:
            say(image.name, "built meanwhile")
            return
        log.unlink(missing_ok=True)
        started = time.monotonic()
        say(image.name, f"building (log: {log})")
        before = engine.id_of(image.full_name)
        unfinished = image.archive.with_suffix(".unfinished")
        try:
            if image.parent:
                if not engine.id_of(image.parent.full_name):
                    engine.load(image.parent.archive, log)
                args = args | {image.parent.name.upper(): image.parent.full_name}
            engine.build(image.full_name, image.dockerfile, image.context, args, no_cache, log)
            unfinished.unlink(missing_ok=True)
            engine.save(image.full_name, unfinished, log)
        except BuildError as error:
            raise BuildError(f"{image.name}: {error}") from None
        for old in IMAGES.glob(f"{image.name}-{'[0-9a-f]' * 16}.tar"):
            old.unlink()
        unfinished.rename(image.archive)
        if before and before != engine.id_of(image.full_name):
            engine.remove(before, log)
    say(
        image.name,
        f"{image.image} built in {time.monotonic() - started:.1f} s, {image.archive.stat().st_size / 1e6:.0f} MB",
    )


def build_all(images: list[Image], jobs: int, fresh: bool) -> list[str]:
    """Builds images, those that share layers one after the other. Returns the failures' texts."""
    engine = choose_engine()
    say("builder", engine.program)
    with locked("bases"):
        for base in dict.fromkeys(base for image in images for base in image.bases):
            ensure_base(engine, base, fresh)
    revision = subprocess.run(
        ["git", "-C", str(ROOT), "rev-parse", "HEAD"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=False,
    )
    args = {key: os.environ[key] for key in CLIENT_SETTINGS if os.environ.get(key)}
    args |= {"REVISION": revision.stdout.strip() or "unknown"}
    lanes: dict[str, list[Image]] = {}
    for image in images:
        lanes.setdefault(image.shares, []).append(image)
    failures: list[str] = []
    stop = threading.Event()

    def build_lane(lane: list[Image]) -> None:
        for image in lane:
            if stop.is_set():
                return
            try:
                # What the first one of a lane makes anew, the others share.
                build(
                    engine,
                    image,
                    {"VERSION": image.image.rpartition(":")[2], **args},
                    fresh,
                    fresh and image is lane[0],
                )
            except BuildError as error:
                failures.append(str(error))
                stop.set()

    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(build_lane, lanes.values()))
    return failures


def main() -> int:
    """The command; its exit status."""
    parser = argparse.ArgumentParser(
        prog="build", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="images to build (default: all of images.toml)")
    parser.add_argument(
        "--jobs", type=int, default=os.cpu_count() or 2, help="builds at the same time (default: %(default)s)"
    )
    parser.add_argument(
        "--fresh", action="store_true", help="build again from new base images, whatever is there already"
    )
    options = parser.parse_args()
    LOGS.mkdir(parents=True, exist_ok=True)
    try:
        wanted = read_table(ROOT, HERE / "images.toml", options.names)
        with_parents = dict.fromkeys(member for image in wanted for member in (image.parent, image) if member)
        missing = [image for image in with_parents if options.fresh or not image.archive.exists()]
        failures = build_all(missing, options.jobs, options.fresh) if missing else []
    except BuildError as error:
        failures = [str(error)]
    if failures:
        print(*(f"images: {failure}" for failure in failures), sep="\n", file=sys.stderr)
        return 1
    for image in wanted:
        print(image.archive)
    return 0
