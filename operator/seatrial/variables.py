"""Reads settings from environment variables, and says in a sentence what is wrong with one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from seatrial_protocol.text import shorten

_SHOWN = 100
"""Characters of a value that a message shows."""
_SENTENCES = {
    "missing": "is not set",
    "literal_error": "must be one of {expected}",
    "int_parsing": "must be a whole number",
    "float_parsing": "must be a number",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
}
"""By pydantic's type of error."""


class Variables(BaseSettings):
    """Base of all settings. One that is made in code comes from its arguments alone; `read` asks the environment."""

    model_config = SettingsConfigDict(
        env_prefix="SEATRIAL_", frozen=True, extra="forbid", validate_by_name=True, validate_by_alias=True
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments, and nothing else."""
        return (init_settings,)


V = TypeVar("V", bound=Variables)


def read(model: type[V], environment: Mapping[str, str], **fixed: Any) -> V:
    """Settings from the variables of this environment; what is not set keeps its default.

    Args:
        model: the settings; a field is read from its alias, or from the prefix and its name.
        environment: variables by name.
        fixed: fields that no variable holds.

    Raises:
        ValueError: a sentence that names the variable and what it must be.
    """
    source = EnvSettingsSource(model)
    source.env_vars = {name.lower(): value for name, value in environment.items()}
    try:
        return model.model_validate({**source(), **fixed})
    except ValidationError as error:
        raise ValueError(_sentence(model, error)) from error


def _sentence(model: type[Variables], error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    name = str(first["loc"][0]) if first["loc"] else ""
    prefix = str(model.model_config.get("env_prefix"))
    variable = name if name.startswith(prefix) else prefix + name.upper()
    context = first.get("ctx") or {}
    sentence = _SENTENCES.get(first["type"], "{error}").format(**{"error": first["msg"], **context})
    value = first["input"]
    if not isinstance(value, str) or not value:
        return f"{variable} {sentence}"
    return f"{variable}={shorten(value, _SHOWN)!r} {sentence}"
