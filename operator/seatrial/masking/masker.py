"""Known secrets never leave an environment in the clear: `***` is put in their place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from seatrial.masking.secret_values import secret_values
from seatrial_protocol.masks import MASK, Finder


class Masker:
    """Puts `***` in the place of secrets. To make one takes up to 50 ms, for as many secrets as are allowed.

    Args:
        masks: the secrets, in all their `forms`.
    """

    def __init__(self, masks: Iterable[str] = ()) -> None:
        texts = tuple(masks)
        self._finder = Finder(_bytes(text) for text in texts)
        self.size = sum(map(len, texts))
        """Characters of all masks."""

    def data(self, content: bytes) -> bytes:
        """Bytes of a log."""
        return self._finder.masked(content)

    def text(self, content: str) -> str:
        """One text."""
        raw = _bytes(content)
        masked = self._finder.masked(raw)
        return content if masked is raw else masked.decode("utf-8", "surrogatepass")

    def tree(self, value: Any) -> Any:
        """A JSON value: every text in it, names of fields too, and the whole value of a variable with a secret."""
        match value:
            case str():
                return self.text(value)
            case Mapping():
                hidden = {"value"} if secret_values([value]) else ()
                return {self.text(str(k)): MASK.decode() if k in hidden else self.tree(v) for k, v in value.items()}
            case list() | tuple():
                return [self.tree(each) for each in value]
        return value


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
