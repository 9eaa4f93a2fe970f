"""The environment contract, the built-in networked MDPs, and what builds them."""

from netagents.environments.build import build_environment
from netagents.environments.contract import Capabilities, EnvironmentSpec, NetworkedMDP, Transition
from netagents.environments.kernel import FactoredKernel, LocalKernel
from netagents.environments.spaces import Box, Discrete, Space, discrete_size

__all__ = [
    "Box",
    "Capabilities",
    "Discrete",
    "EnvironmentSpec",
    "FactoredKernel",
    "LocalKernel",
    "NetworkedMDP",
    "Space",
    "Transition",
    "build_environment",
    "discrete_size",
]
