"""What people read is true: links lead somewhere, names and manifests are the program's own."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import typer
import yaml

from seatrial.api.run import IntegrationRun
from seatrial.api.status import Reason
from seatrial.cli.errors import Exit, exit_of
from seatrial.cli.main import app
from seatrial.generate import reference

ROOT = Path(__file__).resolve().parents[3]
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
README = (ROOT / "README.md").read_text()
OF_CREDENTIALS = ("SEATRIAL_MINIO", "SEATRIAL_POSTGRES", "SEATRIAL_REDIS", "SEATRIAL_ORDERS", "ORDERS_DB_")
REASONS = (ROOT / "docs" / "reasons.md").read_text()


def pages() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    return [ROOT / name for name in listed.splitlines()]


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ +(.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_link_leads_somewhere() -> None:
    broken = []
    for page in pages():
        for target in LINK.findall(re.sub(r"```.*?```|`[^`]*`", "", page.read_text(), flags=re.DOTALL)):
            path, _, anchor = target.partition("#")
            if "://" in target:
                continue
            file = (page.parent / path).resolve() if path else page
            if not file.exists() or (anchor and anchor not in anchors(file)):
                broken.append(f"{page.relative_to(ROOT)}: {target}")
    assert not broken


def sections() -> Iterator[tuple[str, str]]:
    for text in re.split(r"^### ", REASONS, flags=re.MULTILINE)[1:]:
        name, _, body = text.partition("\n")
        yield name, re.split(r"^## ", body, flags=re.MULTILINE)[0]


@pytest.mark.parametrize("reason", list(Reason), ids=str)
def test_every_reason_is_explained(reason: Reason) -> None:
    found = [body for name, body in sections() if name == reason]
    assert len(found) == 1
    for part in ("**Means**", "**Detected by**", "**Do**"):
        assert part in found[0]


def test_no_reason_is_explained_that_there_is_not() -> None:
    assert {name for name, _ in sections()} == {str(reason) for reason in Reason}


def test_the_exit_status_that_the_page_of_reasons_gives_is_the_commands() -> None:
    verdicts = {"Passed": 0, "Failed": 0, "Errored": 0, "Cancelled": 0}
    for text in re.split(r"^## ", REASONS, flags=re.MULTILINE)[1:]:
        verdict = re.match(r"\w+", text)
        assert verdict
        if verdict[0] not in verdicts:
            continue  # what stands in conditions only ends no command
        for part in re.split(r"^### ", text, flags=re.MULTILINE)[1:]:
            reason = part.split("\n", 1)[0]
            status = re.search(r"Exit status (\d+)", part)
            assert exit_of(verdict[0], reason) == (int(status[1]) if status else Exit.INFRASTRUCTURE), reason
            verdicts[verdict[0]] += 1
    assert all(verdicts.values())


def test_the_readmes_manifests_are_valid_and_the_first_is_the_quickstart() -> None:
    shown = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    quickstart = yaml.safe_load((ROOT / "examples" / "quickstart" / "quickstart.yaml").read_text())
    assert yaml.safe_load(shown[0]) == quickstart
    added = yaml.safe_load(shown[1])
    tests = {**quickstart["spec"]["tests"], **added["tests"]}
    IntegrationRun.parse({**quickstart, "spec": {**quickstart["spec"], **added, "tests": tests}})


def test_the_readmes_first_run_is_valid() -> None:
    match = re.search(r"<<'EOF'\n(.*?)\nEOF\n", README, re.DOTALL)
    assert match
    config_map, run = yaml.safe_load_all(match[1])
    assert IntegrationRun.parse(run).spec.tests.source is not None
    assert run["spec"]["tests"]["source"]["configMapRef"]["name"] == config_map["metadata"]["name"]
    compile(config_map["data"]["test_first.py"], "test_first.py", "exec")


def test_the_readmes_table_of_variables_has_those_that_containers_get_and_no_other() -> None:
    table = README.split("| for | variables |")[1].split("\n\n")[0]
    shown = set(re.findall(r"`([A-Z][A-Z0-9_]+)`", table))
    given = {name for _, name, _ in reference.variables()}
    plain = {
        name
        for name in given
        if not name.startswith(OF_CREDENTIALS)
    } - {"SESSIONS_DIR", "MAIL_PORT_SMTP"}  # fmt: skip
    assert shown - {"ORDERS_DB_PGHOST"} == plain
    assert "ORDERS_DB_PGHOST" in given


def code(page: Path) -> Iterator[list[str]]:
    """The pieces of code in each line of a page: the line itself in a block, else what stands between backticks."""
    block = False
    for line in page.read_text().splitlines():
        if line.lstrip().startswith("```"):
            block = not block
        else:
            yield [line.strip()] if block else re.findall(r"`([^`]+)`", line)


def options(command: click.Command, name: str = "") -> Iterator[tuple[str, set[str]]]:
    """Each command with the options that it takes."""
    yield name, {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    for inner, it in getattr(command, "commands", {}).items():
        yield from options(it, f"{name} {inner}".strip())


def test_every_command_that_is_shown_is_one_with_its_options() -> None:
    known = dict(options(typer.main.get_command(app)))
    wrong, seen = [], 0
    for page in pages():
        for snippets in code(page):
            command = None
            for snippet in snippets:
                words = re.split(r" *(?:[|;&#<>]|$)", snippet)[0].split()
                if words[:1] == ["seatrial"] and len(words) > 1:
                    named = [" ".join(words[1:end]) for end in (3, 2)] if not words[1].startswith("-") else [""]
                    command = next((name for name in named if name in known), None)
                    if command is None and words[1] != "..." and not words[1].startswith("charts/"):
                        wrong.append(f"{page.relative_to(ROOT)}: {snippet}")
                elif not snippet.startswith("-"):
                    continue
                if command is not None:
                    seen += 1
                    given = {word.partition("=")[0] for word in words if re.match(r"--?[a-zA-Z]", word)}
                    if given - known[command]:
                        wrong.append(f"{page.relative_to(ROOT)}: {command}: {snippet}")
    assert wrong == []
    assert seen > 30


def test_every_value_of_the_chart_that_is_named_is_there() -> None:
    values = yaml.safe_load((ROOT / "charts" / "seatrial" / "values.yaml").read_text())
    name = re.compile(rf"(?:`|--set(?:-string)? )((?:{'|'.join(values)})(?:\.(?!py\b)[A-Za-z]+)+)(?:`|=|,)")
    named = {(page, value) for page in pages() for value in name.findall(page.read_text())}
    wrong = []
    for page, value in named:
        found: object = values
        for part in value.split("."):
            found = found.get(part) if isinstance(found, dict) else None
        if found is None:
            wrong.append(f"{page.relative_to(ROOT)}: {value}")
    assert wrong == []
    assert len(named) > 30


def test_every_metric_that_is_named_is_there() -> None:
    known = set(re.findall(r"seatrial_[a-z_]+", (ROOT / "docs" / "metrics.md").read_text()))
    named = {
        name
        for page in pages()
        for name in re.findall(r"\bseatrial_(?!(?:runner|protocol)\b)[a-z_]+[a-z]", page.read_text())
    }
    assert {name for name in named if re.sub(r"_(bucket|sum|count)$", "", name) not in known} == set()


def test_every_decision_is_in_the_list() -> None:
    folder = ROOT / "docs" / "decisions"
    listed = set(LINK.findall((folder / "README.md").read_text()))
    records = {path.name for path in folder.glob("[0-9]*.md")}
    assert listed == records
    for record in records:
        assert (folder / record).read_text().startswith(f"# {record[:4]}: ")
