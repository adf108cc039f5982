"""Which image a built service has in a run, and what has to be built for it."""

from __future__ import annotations

import re

from seatrial.cli.init.commented import Noted
from seatrial.cli.init.compose.model import Build
from seatrial.cli.init.convert.draft import Draft
from seatrial.cli.init.convert.roles import Part, Role
from seatrial.cli.init.findings import Kind


def image_of(part: Part, draft: Draft) -> Noted:
    """The image of an app, a migration or the tests."""
    service = part.service
    if service.build is None:
        assert service.image is not None
        return Noted(service.image.value, str(service.image.place))
    dockerfile = part.dockerfile
    if dockerfile is not None and dockerfile.only_copies and part.process.command:
        return Noted(dockerfile.base.value, f"{dockerfile.base.place}: all else in it is code")
    name, first = built_name(part, draft)
    build = first.service.build
    assert build is not None
    what = f"docker compose build {first.service.name}"
    place = first.service.image.place if first.service.image else build.place
    users = [p.service.name for p in _same(part, draft)]
    text = f"{name} ({', '.join(users)}): `{what}`, then push it to where your cluster reads it, or load it into kind"
    draft.findings.add(Kind.BUILD, place, text)
    return Noted(name, f"{place}: built by `{what}`")


def built_name(part: Part, draft: Draft) -> tuple[str, Part]:
    """The name that Compose gives to the image, and the first service that is built like this."""
    first = _same(part, draft)[0]
    named = next((p for p in _same(part, draft) if p.service.image), None)
    if named is not None and named.service.image is not None:
        return named.service.image.value, named
    compose = draft.material.compose
    project = re.sub(r"[^a-z0-9_-]", "", (compose.name if compose else "").lower()).lstrip("_-") or "project"
    return f"{project}-{first.service.name.lower()}", first


def _same(part: Part, draft: Draft) -> list[Part]:
    mine = _key(part.service.build)
    roles = (Role.APP, Role.MIGRATION, Role.TESTS)
    return [other for other in draft.with_role(*roles) if other.service.build and _key(other.service.build) == mine]


def _key(build: Build | None) -> tuple[object, ...]:
    assert build is not None
    return build.context, build.dockerfile, build.target, tuple(sorted(build.args.items())), build.inline
