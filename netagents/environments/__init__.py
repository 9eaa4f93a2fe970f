"""The environment contract, the built-in networked MDPs, what builds them, and their export to other libraries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from netagents.environments.environment_builder import build_environment
from netagents.environments.factored_kernel import FactoredKernel, LocalKernel
from netagents.environments.networked_mdp import Capabilities, EnvironmentSpec, NetworkedMDP, Transition
from netagents.environments.picture import Marker, Picture, Tile
from netagents.environments.spaces import Box, Discrete, Space, discrete_size

if TYPE_CHECKING:
    from netagents.environments.pettingzoo_export import as_parallel_env

__all__ = [
    "Box",
    "Capabilities",
    "Discrete",
    "EnvironmentSpec",
    "FactoredKernel",
    "LocalKernel",
    "Marker",
    "NetworkedMDP",
    "Picture",
    "Space",
    "Tile",
    "Transition",
    "as_parallel_env",
    "build_environment",
    "discrete_size",
]


def __getattr__(name: str) -> Any:
    # PettingZoo belongs to an extra, so what needs it is imported when asked for.
    if name != "as_parallel_env":
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    from netagents.errors import MissingPackageError

    try:
        from netagents.environments.pettingzoo_export import as_parallel_env
    except ModuleNotFoundError as error:
        if error.name not in ("pettingzoo", "gymnasium"):
            raise
        raise MissingPackageError(
            f"the package {error.name} is not installed", where="as_parallel_env", fix="pip install 'netagents[environments]'"
        ) from error
    return as_parallel_env
