"""Target network: a network that learns, a copy of its weights that follows slowly, and the units of the outputs of both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from netagents.critics.popart import PopArt
from netagents.policies.mlp import MlpLayout
from netagents.policies.torch_mlp import TrainedMlp


class TargetNetwork:
    """One or several networks side by side, each with its target.

    Args:
        net: the networks.
        layout: of each of them.

    Attributes:
        net: the networks that learn.
        target: (N, P) weights of the target networks.
        units: of the outputs, which follow the returns.
    """

    def __init__(self, net: TrainedMlp, layout: MlpLayout) -> None:
        self.net = net
        self.target = net.flat.detach().clone()
        self.units = PopArt(layout)

    def follow(self, tau: float) -> None:
        """The target moves towards the network by a share."""
        import torch

        with torch.no_grad():
            self.target.lerp_(self.net.flat, tau)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All networks and their targets, Adam's moments, and the units of the outputs."""
        return {**self.net.arrays(), "target": self.target.numpy().copy(), "units": self.units.array()}

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what :meth:`arrays` gave."""
        import torch

        self.net.restore(arrays)
        self.target.copy_(torch.from_numpy(arrays["target"]))
        self.units.restore(arrays["units"])
