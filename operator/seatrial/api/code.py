"""Code without an image: the bundle that is laid over images."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field

from seatrial.api.base import Model, cel, rules
from seatrial.api.scalars import AbsolutePath

_ALGORITHM = "sha256:"
DIGEST_PATTERN = rf"^{_ALGORITHM}[0-9a-f]{{64}}$"


class Code(Model):
    """A bundle: a tree of files, addressed by its digest, over those of the images of migrations, apps and tests."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            cel(
                "!has(self.local)",
                "local is for the command: `seatrial run FILE` packs that folder, uploads it and creates the run with "
                "its digest",
            ),
            cel(
                "has(self.local) || has(self.digest)",
                "give the digest of a bundle, sha256:..., as `seatrial bundle` prints it",
            ),
        )
    )
    digest: Annotated[str, Field(max_length=71, pattern=DIGEST_PATTERN)] | None = None
    """Which bundle, as `seatrial bundle` prints it. Whoever may create runs in a namespace may upload bundles there and
    use them."""
    local: Annotated[str, Field(max_length=1024)] | None = None
    """For `seatrial run FILE` only: a folder, relative to that file. The command uploads it and puts its digest here;
    the API server refuses this field."""
    mount_path: AbsolutePath
    """Where its files are, over those that the image has there; writable. Default of `workingDir` where a command
    is given."""

    @property
    def sha256(self) -> str:
        """The digest's 64 hexadecimal digits."""
        return (self.digest or "").removeprefix(_ALGORITHM)
