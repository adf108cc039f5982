"""Which folder of the project is where in the containers: what `code` says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from seatrial.cli.init.compose.model import ComposeService
from seatrial.cli.init.convert.roles import Part, Role
from seatrial.cli.init.folder import joined
from seatrial.cli.init.material import FOLDER, Material
from seatrial.cli.init.places import Place
from seatrial.cli.init.sources.dockerfile import Dockerfile

DEFAULT_MOUNT = "/app"
_PLACES_OF_THE_SYSTEM = ("/", "/tmp", "/usr", "/etc", "/var", "/home", "/root", "/bin", "/lib", "/opt", "/dev", "/proc")  # noqa: S108


@dataclass(frozen=True)
class Code:
    """A folder of the project and where it is mounted."""

    local: str
    mount: str
    place: Place
    how: str

    def inside(self, path: str) -> str | None:
        """Where a path of the project is in the containers; None if it is not in this folder."""
        if self.local == ".":
            return None if path.startswith("..") else joined(self.mount, path)
        if path == self.local or path.startswith(f"{self.local}/"):
            return joined(self.mount, path[len(self.local) :].lstrip("/") or ".")
        return None


def code_of(part: Part, kinds: Mapping[str, str]) -> Code | None:
    """Where the code of one part is: by its mounts, else by its Dockerfile."""
    if found := _mounted(part.service, kinds):
        return found
    build = part.service.build
    return copied(build.context, part.dockerfile, kinds) if build and part.dockerfile else None


def chosen(material: Material, parts: Sequence[Part]) -> Code:
    """The one for all parts: the suite's own, else the most frequent one that has the tests in it."""
    found = [(part, code) for part in parts if (code := code_of(part, material.kinds))]
    suite = next((code for part, code in found if part.role is Role.TESTS), None)
    where = material.tests_root
    if suite is not None:
        return suite
    fitting = [code for _, code in found if code.inside(where) is not None]
    if fitting:
        most = Counter((code.local, code.mount) for code in fitting).most_common(1)[0][0]
        return next(code for code in fitting if (code.local, code.mount) == most)
    code = copied(".", material.root_dockerfile, material.kinds) if material.root_dockerfile else None
    if code and code.inside(where) is not None:
        return code
    place = material.pytest.place if material.pytest else Place(material.source)
    return Code(".", DEFAULT_MOUNT, place, "nothing says where; any folder will do")


def _mounted(service: ComposeService, kinds: Mapping[str, str]) -> Code | None:
    """A mounted folder; of several, one that others stand beside: `./app:/code/app` says that `.` is `/code`."""
    found = [
        Code(mount.source, mount.target.rstrip("/") or "/", mount.place, "mounted")
        for mount in service.mounts
        if mount.kind == "bind" and kinds.get(mount.source) == FOLDER and not mount.source.startswith("/")
    ]
    if not found or service.build is None:
        return None
    best = min(found, key=lambda code: (code.local != ".", code.local.count("/")))
    if len(found) > 1 and best.local != ".":
        parent = _parent(best)
        others = [code for code in found if parent and parent.inside(code.local) == code.mount]
        if parent and len(others) > 1:
            return parent
    return best if best.mount not in _PLACES_OF_THE_SYSTEM else None


def copied(context: str, dockerfile: Dockerfile, kinds: Mapping[str, str]) -> Code | None:
    """A folder that a Dockerfile copies, all of the context rather than a part of it."""
    found = []
    for each in dockerfile.copies:
        source = joined(context, each.source)
        if kinds.get(source) != FOLDER:
            continue
        code = Code(source, each.target, each.place, "copied")
        if each.source != "." and source.rpartition("/")[2] == each.target.rpartition("/")[2]:
            code = _parent(code) or code
        if code.mount not in _PLACES_OF_THE_SYSTEM:
            found.append((each.source != ".", code))
    return min(found, key=lambda pair: pair[0])[1] if found else None


def _parent(code: Code) -> Code | None:
    """The same folder seen from one above, if both ends have the same name."""
    name = code.local.rpartition("/")[2]
    if name != code.mount.rpartition("/")[2] or code.local == ".":
        return None
    mount = code.mount.rpartition("/")[0]
    return Code(joined(code.local, ".."), mount, code.place, code.how) if mount else None
