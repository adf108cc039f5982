"""The page of a run: one attempt, all its shards together."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import Response

from seatrial.archive.model.keys import EVIDENCE, SetKey
from seatrial.archive.model.questions import TestFilter
from seatrial.archive.model.report import notes as runner_notes
from seatrial.archive.model.runs import Attempt, RunDetail
from seatrial.archive.model.tests import TestPage, TestRow
from seatrial.archive.server.history.counts import counts_of
from seatrial.archive.server.pages import evidence, timeline
from seatrial.archive.server.pages.beside import logs_address, moment_of
from seatrial.archive.server.pages.colours import colours
from seatrial.archive.server.pages.files import files
from seatrial.archive.server.pages.manifest import manifest_of
from seatrial.archive.server.pages.numbers import left_out
from seatrial.archive.server.pages.site import Site, attempt_of
from seatrial.archive.server.pages.views import Detail, Group, Output, RunView
from seatrial.archive.server.reports import gather
from seatrial_protocol.manifest import Manifest

_GATES = "gates.jsonl"
_BAD_LISTED, _BAD_SHOWN, _SLOWEST, _FILES_SHOWN = 30, 10, 5, 200
_LINES_BESIDE = 120  # of all components
_REPORTS = ("junit.xml", "ctrf.json", "summary.md")


async def run(site: Site, request: Request) -> Response:
    """A run; `attempt` chooses one, else it is the last."""
    found = await site.readable(request)
    attempt = attempt_of(found, request.query_params.get("attempt"))
    return site.renderer.page(request, await asyncio.to_thread(view_of, site, found, attempt))


async def manifest_file(site: Site, request: Request) -> Response:
    """A manifest that starts the run once more."""
    found = await site.readable(request)
    headers = {
        "Content-Disposition": f'attachment; filename="{found.name}.yaml"',
        "Cache-Control": "private, no-cache",
    }
    return Response(manifest_of(found), headers=headers, media_type="application/yaml")


def view_of(site: Site, found: RunDetail, attempt: Attempt | None) -> RunView:
    """What the page shows. Blocking."""
    manifest = manifest_of(found) if found.spec else ""
    if attempt is None:
        return RunView(found, None, found.tests, TestPage((), None, 0), manifest)
    uid, number = found.uid, attempt.attempt
    bad = site.history.tests.page(uid, TestFilter(outcome="bad", attempt=number), _BAD_LISTED)
    manifests = site.manifests(uid, attempt)
    of_evidence = manifests.get(SetKey(uid, number, None))
    gathered = frozenset(file.path for file in of_evidence.files) if of_evidence is not None else frozenset[str]()
    hints, notes = (
        site.read(SetKey(uid, number, None), name)[0] if name in gathered else b""
        for name in ("hints.json", "notes.json")
    )
    with site.logs_of(uid, attempt, of_evidence) as logs:
        details = tuple(_detail(site, test, logs) for test in bad.tests[:_BAD_SHOWN])
        names = tuple(logs)
    return RunView(
        run=found,
        attempt=attempt,
        counts=counts_of(shard.facts for shard in attempt.shards),
        bad=bad,
        manifest=manifest,
        left_out=left_out(shard.facts for shard in attempt.shards),
        slowest=tuple(test for test in site.history.tests.slowest(uid, number, _SLOWEST) if test.seconds),
        details=details,
        hints=evidence.hints(hints, gathered),
        notes=evidence.notes(notes),
        chart=_chart(site, found, attempt, bad, manifests),
        logs=names,
        colours=colours(names),
        groups=tuple(_group(key, manifest, len(attempt.shards)) for key, manifest in manifests.items()),
        outputs=() if bad.tests else _outputs(attempt),
        reports=_REPORTS if any(shard.complete for shard in attempt.shards) else (),
        line_rate=gather.line_rate(site.files, uid, attempt),
        remarks=runner_notes(attempt),
    )


def _chart(
    site: Site, found: RunDetail, attempt: Attempt, bad: TestPage, manifests: Mapping[SetKey, Manifest]
) -> timeline.Chart | None:
    """Where the time went."""
    if attempt.timeline.started is None and not attempt.components:
        return None
    bodies = [site.read(key, _GATES)[0] for key, manifest in manifests.items() if manifest.file(_GATES) is not None]
    return timeline.chart(attempt, found.began_at, bad.tests, datetime.now(UTC), timeline.gates(b"\n".join(bodies)))


def _detail(site: Site, row: TestRow, logs: Mapping[str, bytes]) -> Detail:
    test = site.history.tests.get(row.uid, row.attempt, row.id, row.shard) or row
    return Detail(test, moment_of(test, logs, _LINES_BESIDE), logs_address(test))


def _outputs(attempt: Attempt) -> tuple[Output, ...]:
    """What pytest printed last, where no test says what went wrong."""
    tails = ((shard.shard, shard.facts.output_tail) for shard in attempt.shards if shard.facts)
    return tuple(Output(shard, tail) for shard, tail in tails if tail)


def _group(key: SetKey, manifest: Manifest, shards: int) -> Group:
    rows = files(key, manifest)
    results = "Results" if shards == 1 else f"Results of shard {key.shard}"
    return Group(
        EVIDENCE.capitalize() if key.shard is None else results, rows[:_FILES_SHOWN], max(0, len(rows) - _FILES_SHOWN)
    )
