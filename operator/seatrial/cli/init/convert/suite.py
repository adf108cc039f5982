"""The tests: which image, which folder, which of them, as the project runs them already."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from seatrial import __version__
from seatrial.api.system import Tests
from seatrial.cli.init.commented import Noted
from seatrial.cli.init.compose.model import EnvVariable
from seatrial.cli.init.convert import built, commands, system
from seatrial.cli.init.convert.code import code_of
from seatrial.cli.init.convert.draft import Draft, literals
from seatrial.cli.init.convert.roles import Part, Role
from seatrial.cli.init.findings import Kind
from seatrial.cli.init.folder import joined

DEFAULT_IMAGE = f"seatrial/pytest:{__version__}"
IN_DEFAULT_IMAGE = frozenset({
    "pytest", "pytest-xdist", "pytest-asyncio", "httpx", "psycopg", "boto3", "temporalio", "redis", "coverage", "anyio",
    "botocore", "python", "pip", "setuptools", "wheel",
})  # fmt: skip
"""What the default image has, and what every image has."""
_WITH_VALUE = frozenset({
    "-k", "-m", "-o", "-n", "-p", "-c", "-r", "-W", "--maxfail", "--tb", "--timeout", "--cov-report", "--dist",
    "--ignore", "--durations", "--junitxml", "--junit-xml", "--log-level", "--log-cli-level", "--reruns", "--ds",
    "--rootdir", "--confcutdir", "--deselect", "--browser", "--html",
})  # fmt: skip
_REPORTS = ("--junitxml", "--junit-xml")
_PATH = re.compile(r"(?!.*://)(.*(/|\.py|::).*|tests?|e2e|integration\w*)")
_HARMLESS = re.compile(r"(sleep|echo|set|wait-for|\S*wait[-_]for\S*|dockerize|until|while|export|true|exec)\b|^\[")


@dataclass
class Selection:
    """What a command line of pytest says."""

    paths: list[str] = field(default_factory=list)
    markers: str = ""
    keywords: str = ""
    max_fail: int = 0
    args: list[str] = field(default_factory=list)


def selection(words: Sequence[str]) -> Selection:
    """Reads the arguments of pytest."""
    found, waiting = Selection(), list(words)
    while waiting:
        word = waiting.pop(0)
        name, equals, value = word.partition("=")
        if word[:2] in ("-m", "-k") and len(word) > 2 and not word.startswith("--"):
            name, equals, value = word[:2], "=", word[2:].removeprefix("=")
        if name in _WITH_VALUE and not equals and waiting:
            value = waiting.pop(0)
        if name == "-m":
            found.markers = value
        elif name == "-k":
            found.keywords = value
        elif name == "--maxfail" and value.isdecimal():
            found.max_fail = int(value)
        elif word in ("-x", "--exitfirst"):
            found.max_fail = 1
        elif name in _REPORTS:
            continue
        elif word.startswith("-"):
            follows = not equals and name.startswith("--") and waiting and not _PATH.fullmatch(waiting[0])
            if follows and not waiting[0].startswith("-") and name not in _WITH_VALUE:
                value = waiting.pop(0)
            found.args += [word, value] if value and not equals else [word]
        else:
            found.paths.append(word)
    return found


def tests(draft: Draft) -> Noted:
    """The manifest's tests."""
    part = next(iter(draft.with_role(Role.TESTS)), None)
    fields = _of_service(part, draft) if part else _of_project(draft)
    if draft.material.containers and "testcontainers" in Tests.model_fields:
        fields["testcontainers"] = Noted(True, str(draft.material.containers[0].place))
    return Noted(fields)


def _of_service(part: Part, draft: Draft) -> dict[str, Any]:
    """Of a service of the Compose project that runs the tests."""
    place = part.process.place or part.service.place
    script = commands.shell_script(part.process.words)
    words, folder = list(part.process.words), ""
    if script is not None:
        words, folder = _in_script(script, part, draft)
    words = _pytest_words(words)
    if not commands.runs_tests(part.process.text):
        text = f"{part.service.name}: its tests run by `{part.process.text[:60]}`; a run starts pytest itself"
        draft.findings.add(Kind.EDIT, place, text)
        words = []
    fields: dict[str, Any] = {"image": built.image_of(part, draft)}
    _working_dir(part, draft, fields, folder)
    fields |= _selected(selection(words), str(place))
    if env := draft.env(system.variables_of(part), part.service.name):
        fields["env"] = env
    if part.service.shared_memory and (size := _memory(part.service.shared_memory.value)):
        fields["sharedMemory"] = Noted(size, str(part.service.shared_memory.place))
    system.missing_files(part, draft)
    system.check_mounts(part, draft)
    return fields


def _in_script(script: str, part: Part, draft: Draft) -> tuple[list[str], str]:
    """The words of pytest in a script, and the folder that it changes to."""
    folder, found = "", list[str]()
    place = part.process.place or part.service.place
    for step in commands.steps(script):
        words = commands.split(step)
        if commands.runs_tests(step):
            found = words
        elif words[:1] == ["cd"] and len(words) > 1:
            folder = words[1]
        elif commands.mentions_migration(step):
            draft.steps.append((tuple(words), place))
        elif not _HARMLESS.match(step):
            kind = Kind.EDIT if "install" in step else Kind.DIFFERENT
            draft.findings.add(kind, place, f"{part.service.name}: `{step[:70]}` does not run before the tests")
    return found, folder


def _pytest_words(words: Sequence[str]) -> list[str]:
    """The arguments of pytest in a command that starts it in some way."""
    for index, word in enumerate(words):
        if word.rpartition("/")[2] in ("pytest", "py.test"):
            return [each for each in words[index + 1 :] if each not in ('"$@"', "$@")]
    return []


def _working_dir(part: Part, draft: Draft, fields: dict[str, Any], folder: str) -> None:
    given, dockerfile = part.service.working_dir, part.dockerfile
    base, place = "", ""
    if given and given.value.startswith("/"):
        base, place = given.value, str(given.place)
    elif dockerfile and dockerfile.workdir:
        base, place = dockerfile.workdir.value, str(dockerfile.workdir.place)
    elif draft.code and draft.code.how != "copied":
        base, place = draft.code.mount, str(draft.code.place)
    if base and folder:
        base, place = joined(base, folder), f"{place}, and `cd {folder}`"
    if base not in ("", "/"):
        fields["workingDir"] = Noted(base, place)


def _of_project(draft: Draft) -> dict[str, Any]:
    """Of the project's own configuration: the suite runs on the machine itself."""
    material, code = draft.material, draft.code
    assert code is not None
    image = _image(draft)
    fields: dict[str, Any] = {"image": image} if image else {}
    config, script = material.pytest, material.script
    where = material.tests_root
    inside = code.inside(where) or code.mount
    fields["workingDir"] = Noted(inside, str(config.place) if config else f"{code.place}")
    if script and script.pytest_place:
        given = selection(script.pytest)
        fields |= _selected(given, str(script.pytest_place))
        if given.paths or given.markers:
            return fields
    deselected = config.deselected if config else ()
    if config and config.addopts_place and deselected:
        note = f"{config.addopts_place}: they are left out by addopts"
        fields["markers"] = Noted(" or ".join(deselected), note)
    folder = material.tests_folder
    inside_where = folder[len(where) + 1 :] if where != "." and folder.startswith(f"{where}/") else folder
    if folder and "paths" not in fields and not deselected:
        fields["paths"] = Noted([inside_where], "there is this folder")
    return fields


def _image(draft: Draft) -> Noted | None:
    """The image that has what the suite imports: one that is built here, else none, for the default one."""
    material = draft.material
    candidates = [part for part in (*draft.with_role(Role.APP), *draft.with_role(Role.MIGRATION))
                  if part.service.build and part.dockerfile and _is_python(part)
                  and _has_code(part, draft)]  # fmt: skip
    with_pytest = [p for p in candidates if p.dockerfile and p.dockerfile.file in material.has_pytest]
    for part in with_pytest or candidates:
        image = built.image_of(part, draft)
        assert part.dockerfile is not None
        place = material.has_pytest.get(part.dockerfile.file)
        if place is None:
            text = f"tests: nothing in {part.dockerfile.file} installs pytest; the tests' image needs it"
            draft.findings.add(Kind.EDIT, part.dockerfile.base.place, text)
        return Noted(image.value, f"the image of {part.name}" + (f"; {place}: pytest" if place else ""))
    if material.root_dockerfile is not None:
        return _root_image(draft)
    missing = sorted(name for name in material.packages if name not in IN_DEFAULT_IMAGE)
    if missing:
        place = material.packages[missing[0]]
        text = f"tests: {DEFAULT_IMAGE} lacks {', '.join(missing[:6])}{' and more' if len(missing) > 6 else ''}"
        draft.findings.add(Kind.EDIT, place, f"{text}; give an image that has them, and pytest")
    return None


def _root_image(draft: Draft) -> Noted:
    material, dockerfile = draft.material, draft.material.root_dockerfile
    assert dockerfile is not None
    place = material.has_pytest.get(dockerfile.file)
    what = f"docker build -t {material.name} ."
    text = f"{material.name}: `{what}`, then push it to where your cluster reads it, or load it into kind"
    draft.findings.add(Kind.BUILD, dockerfile.base.place, text)
    if place is None:
        text = "tests: nothing in Dockerfile installs pytest; the tests' image needs it"
        draft.findings.add(Kind.EDIT, dockerfile.base.place, text)
    return Noted(material.name, f"{dockerfile.base.place}: built by `{what}`")


def _has_code(part: Part, draft: Draft) -> bool:
    """Whether the part has the code that the tests have: then it has what they import."""
    own = code_of(part, draft.material.kinds)
    return own is not None and draft.code is not None and (own.local, own.mount) == (draft.code.local, draft.code.mount)


def _is_python(part: Part) -> bool:
    text = f"{part.dockerfile.base.value if part.dockerfile else ''} {part.process.text}"
    return bool(re.search(r"python|uvicorn|gunicorn|celery|uv\b|poetry|django|pytest|conda|seatrial/", text))


def _selected(given: Selection, place: str) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    if given.paths:
        fields["paths"] = Noted(given.paths, place)
    if given.markers:
        fields["markers"] = Noted(given.markers, place)
    if given.keywords:
        fields["keywords"] = Noted(given.keywords, place)
    if given.max_fail:
        fields["maxFail"] = Noted(given.max_fail, place)
    if given.args:
        fields["args"] = Noted(literals(given.args), place)
    return fields


def _memory(text: str) -> str:
    """A size as a quantity: `1gb`, `512m`."""
    match = re.fullmatch(r"([1-9][0-9]{0,6})\s*([kmg])?b?", text.strip().lower())
    if not match or match[2] == "k":
        return ""
    if match[2]:
        return f"{match[1]}{'Mi' if match[2] == 'm' else 'Gi'}"
    mebibytes = int(match[1]) // (1024 * 1024)
    return f"{mebibytes}Mi" if mebibytes else ""


def script_env(draft: Draft) -> list[Any]:
    """The variables that a script exports before it starts anything."""
    script = draft.material.script
    if script is None:
        return []
    found = {name: EnvVariable(name, v.value, v.place) for name, v in script.exports.items()}
    return draft.env(found, script.file)
