"""The recurrent unit of :mod:`netagents.policies.gru` in torch: whole sequences from an empty memory, in the arithmetic of its step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netagents.policies.gru import GATES, GruLayout
from netagents.policies.mlp import Float32
from netagents.policies.torch_mlp import TrainedWeights

if TYPE_CHECKING:
    import torch


class TrainedGru(TrainedWeights):
    """A GRU with its linear output, trained with Adam through time.

    Args:
        layout: of its weights.
        weights, rate, gradient_clip, name, agent: see :class:`netagents.policies.torch_mlp.TrainedWeights`.
    """

    def __init__(self, layout: GruLayout, weights: list[Float32], rate: float, gradient_clip: float | None, name: str, agent: int) -> None:
        super().__init__(layout, weights, rate, gradient_clip, name, agent)
        self.layout = layout

    def along(self, features: torch.Tensor, memory: torch.Tensor | None = None, flat: torch.Tensor | None = None) -> torch.Tensor:
        """(N, T, outputs) of N sequences of features (N, T, F).

        Args:
            features: (N, T, F).
            memory: (N, U) before the first step; default: empty.
            flat: (1, P) other weights than the trained ones.
        """
        import torch

        layout, units = self.layout, self.layout.units
        weights = self.flat if flat is None else flat
        parts = [part.view(shape) for part, shape in zip(weights[0].split_with_sizes(layout.parts), layout.shapes, strict=False)]
        read_weight, read_bias, remembered, candidate_bias, head_weight, head_bias = parts
        copies, steps = features.shape[:2]
        # What is read does not depend on the memory: one product for all steps.
        read = torch.addmm(read_bias, features.reshape(copies * steps, -1), read_weight).view(copies, steps, GATES * units)
        memory = torch.zeros((copies, units)) if memory is None else memory
        memories = []
        for step in range(steps):
            past = memory @ remembered
            gates = 0.5 * torch.tanh(0.5 * (read[:, step, : 2 * units] + past[:, : 2 * units])) + 0.5
            candidate = torch.tanh((past[:, 2 * units :] + candidate_bias) * gates[:, :units] + read[:, step, 2 * units :])
            memory = candidate + gates[:, units:] * (memory - candidate)
            memories.append(memory)
        flat = torch.stack(memories, dim=1).view(copies * steps, units)
        return torch.addmm(head_bias, flat, head_weight).view(copies, steps, layout.outputs)
