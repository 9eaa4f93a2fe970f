"""Base class of the settings of every environment: its kind, and the class that is built from them."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from netagents.experiment.base import Settings

Probability = Annotated[float, Field(ge=0.0, le=1.0)]
Cost = Annotated[float, Field(ge=0.0, le=1e6)]
Horizon = Annotated[int, Field(ge=1, le=1_000_000)]
Discount = Annotated[float, Field(gt=0.0, lt=1.0)]


class EnvironmentKind(Settings):
    """Settings of one kind of environment.

    A built-in environment is this class, with its fields and their bounds, and the class (or function) that ``built_by`` names.  That
    one is called with the topology and the settings and imported only when it is needed.  It refuses topologies that it cannot run on
    with an :class:`~netagents.errors.EnvironmentMismatchError` that names the right ones.
    """

    built_by: ClassVar[str] = ""
    """``module:Class`` of the environment, or ``module:function`` that makes it."""

    kind: str
