"""Base class of all settings: typed, frozen, and unknown keys are errors."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import ClassVar

from pydantic import AfterValidator, BaseModel, ConfigDict


class Settings(BaseModel):
    """A frozen group of settings; every field has a type, a bound and a description.

    ``aliases`` names settings of the group by their other names: those of earlier versions and those of other libraries.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, validate_default=True)
    aliases: ClassVar[Mapping[str, str]] = {}


def written(pattern: str, words: str) -> AfterValidator:
    """A text of a certain form, and the description of that form in messages: ``use letters, digits, ...``."""
    form = re.compile(pattern)

    def check(text: str) -> str:
        if form.fullmatch(text) is None:
            excerpt = text if len(text) <= 60 else f"{text[:57]}..."
            raise ValueError(f"{excerpt!r} is not allowed; {words}")
        return text

    return AfterValidator(check)
