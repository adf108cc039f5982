"""What a Compose project says: forms, variables, files on top of each other, and files that nobody should write."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from seatrial.cli.init.compose.load import load
from seatrial.cli.init.compose.model import ComposeProject
from seatrial.cli.init.compose.variables import Scope, Variable, parse_env, substitute
from seatrial.cli.init.folder import FILE_BYTES, Folder, joined
from seatrial.cli.init.gather import compose_files
from seatrial.cli.init.places import Place, ReadError
from tests.unit.cli.init.projects import unpack

HERE = Place("compose.yml", 3)


def read(text: str, tmp_path: Path, *files: str) -> ComposeProject:
    root = unpack(text if text.startswith("-- ") else f"-- compose.yml --\n{text}", tmp_path / "shop")
    return load(Folder(root), files or ("compose.yml",))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("$A-${A}", "1-1"),
        ("${B:-two}", "two"),
        ("${EMPTY:-two}", "two"),
        ("${EMPTY-two}", ""),
        ("${B:-${C:-${A}}}", "1"),
        ("${A:+yes}${B:+no}${EMPTY+set}", "yesset"),
        ("$$A $$ 5$", "$A $ 5$"),
        ("${B:-a}b}", "ab}"),
    ],
)  # fmt: skip
def test_variables_are_replaced(text: str, value: str) -> None:
    known = {"A": Variable("1", HERE), "EMPTY": Variable("", HERE)}
    assert substitute(text, Scope(known), HERE)[0] == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("${A", "has no '}'"),
        ("${-x}", "is no variable"),
        ("${A!x}", "is no variable"),
        ("${A:-" * 20 + "}" * 20, "inside each other"),
    ],
)  # fmt: skip
def test_a_variable_that_is_none_is_named_with_its_place(text: str, message: str) -> None:
    with pytest.raises(ReadError, match=message) as error:
        substitute(text, Scope({}), HERE)
    assert error.value.place == "compose.yml:3"


def test_a_required_variable_without_a_value_is_remembered() -> None:
    scope = Scope({})
    assert substitute("${KEY:?ask the team}", scope, HERE)[0] == ""
    assert scope.required == {"KEY": (HERE, "ask the team")}


def test_a_file_of_variables_is_read_as_compose_does() -> None:
    text = "\n".join([
        "# a comment", "A=1", "export B = two words # said", "C='$A stays'", 'D="x ${A}\\n\\"q\\""', "E=${A}3",
        'F="first', 'second"', "not a variable", "G=", "H=a#b", "I: 5",
    ])  # fmt: skip
    found = parse_env(text, ".env")
    assert {name: variable.value for name, variable in found.items()} == {
        "A": "1", "B": "two words", "C": "$A stays", "D": 'x 1\n"q"', "E": "13", "F": "first\nsecond", "G": "",
        "H": "a#b", "I": "5",
    }  # fmt: skip
    assert found["G"].place == Place(".env", 10)


def test_both_forms_of_each_field_say_the_same(tmp_path: Path) -> None:
    short = """\
services:
  a:
    build: ./app
    environment: [X=1, "Y=a=b", Z]
    ports: ["127.0.0.1:8000:80", "9000-9001:9000-9001/tcp", 5432, "5353:53/udp", "[::1]:8001:81"]
    volumes: ["./src:/src:ro", "data:/data", /anonymous]
    depends_on: [b]
    healthcheck: {test: curl -f http://localhost/}
  b: {image: b}
"""
    long = """\
services:
  a:
    build: {context: ./app}
    environment: {X: 1, Y: a=b, Z: }
    ports:
      - {target: 80, published: "8000", host_ip: 127.0.0.1}
      - {target: 9000, published: 9000}
      - {target: 9001, published: 9001}
      - {target: 5432}
      - {target: 53, published: 5353, protocol: udp}
      - {target: 81, published: 8001, host_ip: "::1"}
    volumes:
      - {type: bind, source: ./src, target: /src, read_only: true}
      - {type: volume, source: data, target: /data}
      - {type: volume, target: /anonymous}
    depends_on: {b: {condition: service_started}}
    healthcheck: {test: ["CMD-SHELL", "curl -f http://localhost/"]}
  b: {image: b}
"""

    def shape(text: str, folder: str) -> object:
        a = read(text, tmp_path / folder).services["a"]
        return (
            a.build and (a.build.context, a.build.dockerfile),
            {name: variable.value for name, variable in a.environment.items()},
            [(port.target, port.published, port.protocol) for port in a.ports],
            [(mount.kind, mount.source, mount.target) for mount in a.mounts],
            [(dependency.name, dependency.condition) for dependency in a.dependencies],
            a.health and a.health.test,
        )

    assert shape(short, "short") == shape(long, "long") == (
        ("app", "Dockerfile"),
        {"X": "1", "Y": "a=b", "Z": None},
        [(80, 8000, "tcp"), (9000, 9000, "tcp"), (9001, 9001, "tcp"), (5432, None, "tcp"), (53, 5353, "udp"),
         (81, 8001, "tcp")],
        [("bind", "src", "/src"), ("volume", "data", "/data"), ("volume", "", "/anonymous")],
        [("b", "service_started")],
        ("CMD-SHELL", "curl -f http://localhost/"),
    )  # fmt: skip


def test_scalars_mean_what_they_look_like(tmp_path: Path) -> None:
    text = "services: {a: {image: a, environment: {V: 1.10, B: yes, T: True, N: null, S: '', P: 0777}, ports: [22:22]}}"
    a = read(text.replace("22:22", "'22:22'"), tmp_path).services["a"]
    values = {name: variable.value for name, variable in a.environment.items()}
    assert values == {"V": "1.10", "B": "yes", "T": "true", "N": None, "S": "", "P": "0777"}


def test_later_files_count(tmp_path: Path) -> None:
    text = """\
-- compose.yml --
services:
  a:
    image: a:1
    command: [run, --slow]
    environment: {KEEP: 1, CHANGE: 1}
    ports: ["1:1"]
    volumes: ["./one:/data"]
    healthcheck: {test: [CMD, one], interval: 1s}
    expose: ["5"]
    labels: {x: y}
-- over.yml --
services:
  a:
    image: a:2
    command: [run]
    environment: [CHANGE=2, ADD=3]
    ports: ["2:2"]
    volumes: ["./two:/data"]
    healthcheck: {test: [CMD, two]}
    labels: !reset null
  b: {image: b}
-- last.yml --
services:
  a:
    ports: !override ["3:3"]
    environment: !reset {}
"""
    project = read(text, tmp_path, "compose.yml", "over.yml")
    a = project.services["a"]
    assert a.image is not None
    assert (a.image.value, str(a.image.place)) == ("a:2", "over.yml:3")
    assert a.command is not None
    assert a.command.words == ("run",)
    assert {name: v.value for name, v in a.environment.items()} == {"KEEP": "1", "CHANGE": "2", "ADD": "3"}
    assert [port.target for port in a.ports] == [1, 2]
    assert [mount.source for mount in a.mounts] == ["two"]
    assert a.health is not None
    assert a.health.test == ("CMD", "two")
    assert list(project.services) == ["a", "b"]
    last = read(text, tmp_path, "compose.yml", "over.yml", "last.yml").services["a"]
    assert [port.target for port in last.ports] == [3]
    assert last.environment == {}


def test_merges_and_anchors(tmp_path: Path) -> None:
    text = """\
x-one: &one {A: 1, B: 1}
x-two: &two {B: 2, C: 2}
services:
  a:
    image: a
    environment: {<<: [*one, *two], A: 3}
"""
    environment = read(text, tmp_path).services["a"].environment
    assert {name: v.value for name, v in environment.items()} == {"B": "1", "C": "2", "A": "3"}
    assert str(environment["C"].place) == "compose.yml:2"


def test_extends_in_another_folder_keeps_its_paths(tmp_path: Path) -> None:
    text = """\
-- compose.yml --
services:
  a: {extends: {file: common/base.yml, service: web}, environment: {B: 2}}
-- common/base.yml --
services:
  root: {environment: {A: 1, B: 1}, env_file: vars.env}
  web: {extends: root, build: .., volumes: ["./conf:/conf"]}
-- common/vars.env --
FROM_FILE=yes
"""
    a = read(text, tmp_path).services["a"]
    assert {name: v.value for name, v in a.environment.items()} == {"FROM_FILE": "yes", "A": "1", "B": "2"}
    assert a.build is not None
    assert a.build.context == "."
    assert a.mounts[0].source == "common/conf"


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("services: {a: {image: [1]}}", "compose.yml:1", "plain value is expected"),
        ("services: [a]", "compose.yml:1", "map is expected"),
        ("services:\n  a: {image: a}\n  a: {image: b}", "compose.yml:3", "'a' is here twice"),
        ("services: &x {a: *x}", "compose.yml:1", "inside of what its anchor names"),
        ("services:\n  a: {image: a, ports: [eighty]}", "compose.yml:2", "is no port"),
        ("services:\n  a: {image: a, ports: ['1-999:1-999']}", "compose.yml:2", "range of at most"),
        ("services:\n  a: {image: a, ports: ['70000:1']}", "compose.yml:2", "is no port"),
        ("services:\n  a:\n    image: a\n    command: 'a \"b'", "compose.yml:4", "split into words"),
        ("services:\n  a: {extends: b}\n  b: {extends: a}", "compose.yml:2", "extend each other"),
        ("services:\n  a: {extends: none}", "compose.yml:2", "no service none"),
        ("services:\n  a: {extends: {file: ../../x.yml, service: a}}", "../../x.yml", "outside of"),
        ("services:\n  a: {extends: {file: gone.yml, service: a}}", "gone.yml", "no such file"),
        ("include: [compose.yml]\nservices: {a: {image: a}}", "compose.yml", "include each other"),
        ("services:\n  a: {? [1] : 2}", "compose.yml:2", "key must be plain"),
        ("services:\n  a: {image: ${X", "compose.yml:2", "not valid YAML"),
        ("a: [", "compose.yml", "not valid YAML"),
        ("just text", "compose.yml:1", "map is expected"),
        ("volumes: {a: {}}", "compose.yml:1", "no services"),
        ("a: " + "[" * 60 + "]" * 60, "compose.yml:1", "levels inside each other"),
        ("services: {a: {image: a, environment: {A: &e [" + "x," * 300 + "], "
         + ", ".join(f"B{i}: [*e, *e, *e, *e]" for i in range(60)) + "}}}", "compose.yml:1", "more than 50,000 values"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_place(text: str, place: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ReadError, match=message) as error:
        read(text, tmp_path)
    assert error.value.place.startswith(place)


def test_aliases_of_aliases_are_counted(tmp_path: Path) -> None:
    lines = ["x0: &x0 [a, a, a, a, a, a, a, a, a, a]"]
    lines += [f"x{i}: &x{i} [{', '.join(f'*x{i - 1}' for _ in range(10))}]" for i in range(1, 9)]
    with pytest.raises(ReadError, match="more than 50,000 values"):
        read("\n".join([*lines, "services: {a: {image: a}}"]), tmp_path)


def test_only_regular_files_of_the_repository_are_read(tmp_path: Path) -> None:
    root = unpack("-- a.txt --\na\n", tmp_path / "repository")
    (tmp_path / "secret.txt").write_text("secret")
    (root / "link.txt").symlink_to(tmp_path / "secret.txt")
    (root / "loop").symlink_to("loop")
    (root / "large.txt").write_text("x" * (FILE_BYTES + 1))
    (root / "binary.txt").write_bytes(b"\xff\xfe\x00")
    os.mkfifo(root / "pipe.txt")
    folder = Folder(root)
    assert folder.text("a.txt") == "a\n"
    assert folder.text("gone.txt") is None
    for name, message in (
        ("link.txt", "outside"), ("../secret.txt", "outside"), ("large.txt", "larger"), ("binary.txt", "UTF-8"),
        ("pipe.txt", "no regular file"), ("loop", "outside|can't be read"),
    ):  # fmt: skip
        with pytest.raises(ReadError, match=message):
            folder.text(name)


def test_a_folder_inside_of_a_repository_may_look_above_itself(tmp_path: Path) -> None:
    root = unpack("-- common.yml --\nservices: {}\n-- app/x --\n", tmp_path / "repository")
    assert Folder(root / "app").text("../common.yml") == "services: {}\n"


@pytest.mark.parametrize(
    ("folder", "path", "result"),
    [(".", "a", "a"), ("a", "..", "."), ("a/b", "../c", "a/c"), (".", "../x", "../x"), ("/app", "src", "/app/src"),
     ("/app", "/srv", "/srv"), ("/", "..", "/.."), ("a", "./b/", "a/b")],
)  # fmt: skip
def test_paths_are_joined(folder: str, path: str, result: str) -> None:
    assert joined(folder, path) == result


@pytest.mark.parametrize(
    ("names", "found"),
    [
        ({"docker-compose.yml": "services: {a: {image: a}}"}, ["docker-compose.yml"]),
        ({"compose.yaml": "", "docker-compose.yml": ""}, ["compose.yaml"]),
        ({"compose.yml": "", "compose.override.yml": ""}, ["compose.yml", "compose.override.yml"]),
        ({"docker-compose.yml": "", "docker-compose.test.yml": "services: {a: {image: a}}"},
         ["docker-compose.test.yml"]),
        ({"docker-compose.yml": "", "docker-compose.test.yml": "services: {a: {environment: {A: 1}}}"},
         ["docker-compose.yml", "docker-compose.test.yml"]),
        ({"tests/docker-compose.yml": "services: {a: {image: a}}"}, ["tests/docker-compose.yml"]),
        ({"local.yml": ""}, ["local.yml"]),
        ({"docker-compose.prod.yml": ""}, []),
    ],
)  # fmt: skip
def test_the_compose_files_of_a_suite_are_found(names: dict[str, str], found: list[str], tmp_path: Path) -> None:
    for name, text in names.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert compose_files(Folder(tmp_path)) == found
