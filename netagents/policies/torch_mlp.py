"""The perceptrons of :mod:`netagents.policies.mlp` in torch, and how their weights are trained: Adam on one flat vector.

torch is imported when the first network is made, never by commands or by runs with tables.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from netagents.errors import NumericalError
from netagents.policies.mlp import Float32, MlpLayout, NetworkLayout

if TYPE_CHECKING:
    import torch

    from netagents.policies.perceptron_gradient import Layers


@contextlib.contextmanager
def repeatable_torch() -> Iterator[None]:
    """One thread and deterministic algorithms while networks are trained; the program's own choice comes back afterwards.

    A second thread would split sums differently and so change the last bits (and makes small networks slower).  Tensors are made
    by torch itself, which aligns them to 64 bytes, so that MKL always takes the same path.
    """
    import torch

    # The debug mode sets the same switch as torch.use_deterministic_algorithms, which imports a compiler that nobody here needs.
    threads, mode = torch.get_num_threads(), torch.get_deterministic_debug_mode()
    torch.set_num_threads(1)
    torch.set_deterministic_debug_mode("error")
    try:
        yield
    finally:
        torch.set_deterministic_debug_mode(mode)
        torch.set_num_threads(threads)


def tensor(values: NDArray[Any]) -> torch.Tensor:
    """A float32 copy in torch's own memory."""
    import torch

    copy = torch.empty(values.shape, dtype=torch.float32)
    copy.copy_(torch.from_numpy(np.ascontiguousarray(values)))
    return copy


class TrainedWeights:
    """Flat vectors of weights of one or several networks of one layout, trained together with Adam.

    Args:
        layout: of each of them.
        weights: one flat vector (P,) per copy, its first weights.
        rate: Adam's step size, which may be changed.
        gradient_clip: largest Euclidean norm of one copy's gradient; None for no limit.
        name: in errors, such as ``task critic``.
        agent: in errors.
    """

    def __init__(
        self, layout: NetworkLayout, weights: list[Float32], rate: float, gradient_clip: float | None, name: str, agent: int
    ) -> None:
        import torch

        self.copies, self.rate = len(weights), rate
        self.gradient_clip, self.name, self.agent = gradient_clip, name, agent
        self._first_extra = layout.total - layout.extra
        self.flat = tensor(np.stack(weights)).requires_grad_()
        # Adam's moments, here and not in torch.optim.Adam: that class imports torch's compiler, seconds and 200 MB for each agent.
        self.mean, self.square = torch.zeros(self.flat.shape), torch.zeros(self.flat.shape)
        self.steps = torch.zeros(())

    def extra(self) -> torch.Tensor:
        """(copies, extra) parameters that belong to no layer."""
        return self.flat[:, self._first_extra :]

    def descend(self, loss: torch.Tensor, where: str) -> float:
        """One step of Adam down ``loss``; the squared norm of its gradient before clipping.

        Raises:
            NumericalError: the gradient is not finite; nothing has been changed.
        """
        import torch

        (gradient,) = torch.autograd.grad(loss, self.flat)
        with torch.no_grad():
            return self.step(gradient, where)

    def step(self, gradient: torch.Tensor, where: str) -> float:
        """:meth:`descend` by a gradient (copies, P), which is used up; to be called where no graph is recorded."""
        import torch

        norms = gradient.norm(dim=1, keepdim=True)
        square = float((norms * norms).sum())
        if not isfinite(square):
            raise NumericalError(
                f"the gradient of the {self.name} is not finite",
                where=f"agent {self.agent}, {where}",
                fix="lower the learning rates, or mend the environment's observations and rewards",
            )
        # The sum is at least the largest square: mostly nothing is too long, and a factor of 1 changes no bit.
        if self.gradient_clip is not None and square > (0.99 * self.gradient_clip) ** 2:
            gradient *= (self.gradient_clip / norms.clamp_min(1e-12)).clamp_max(1.0)
        # What torch.optim.adam.adam calls in the end, without its choice among other ways.
        self.steps += 1
        torch._fused_adam_(
            [self.flat],
            [gradient],
            [self.mean],
            [self.square],
            [],
            [self.steps],
            amsgrad=False,
            lr=self.rate,
            beta1=0.9,
            beta2=0.999,
            weight_decay=0.0,
            eps=1e-8,
            maximize=False,
        )
        return square

    def weights(self, copy: int = 0) -> Float32:
        """(P,) a snapshot of one copy's weights."""
        return np.array(self.flat.detach()[copy].numpy(), dtype=np.float32)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Weights and Adam's moments."""
        return {
            "weights": self.flat.detach().numpy().copy(),
            "adam.mean": self.mean.numpy().copy(),
            "adam.square": self.square.numpy().copy(),
            "adam.steps": self.steps.reshape(1).numpy().copy(),
        }

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what :meth:`arrays` gave.

        Raises:
            NumericalError: a weight is not finite.
        """
        import torch

        if not np.isfinite(arrays["weights"]).all():
            raise NumericalError(f"a weight of the {self.name} is not finite", where=f"agent {self.agent}", fix="use an older checkpoint")
        with torch.no_grad():
            self.flat.copy_(torch.from_numpy(arrays["weights"]))
        self.mean.copy_(torch.from_numpy(arrays["adam.mean"]))
        self.square.copy_(torch.from_numpy(arrays["adam.square"]))
        self.steps.copy_(torch.from_numpy(arrays["adam.steps"]).reshape(()))


class TrainedMlp(TrainedWeights):
    """One or several perceptrons of one layout, trained together with Adam; copy k never reads another one's weights.

    Args:
        layout: of each of them.
        weights, rate, gradient_clip, name, agent: see :class:`TrainedWeights`.
    """

    def __init__(self, layout: MlpLayout, weights: list[Float32], rate: float, gradient_clip: float | None, name: str, agent: int) -> None:
        super().__init__(layout, weights, rate, gradient_clip, name, agent)
        self.layout = layout
        self._layers: tuple[torch.Tensor, Layers] | None = None

    def __call__(self, features: torch.Tensor, flat: torch.Tensor | None = None) -> torch.Tensor:
        """(copies, M, inputs), or (M, inputs) for all, to (copies, M, outputs); with other weights where ``flat`` is given."""
        import torch

        if not torch.is_grad_enabled():
            return self.forward_pass(features, None if flat is None else self.layers_of(flat))[-1]
        if flat is None and not features.requires_grad:
            from netagents.policies.perceptron_gradient import Perceptron

            outputs: torch.Tensor = Perceptron.apply(self.flat, self.layers, features, self.layout)  # type: ignore[no-untyped-call]
            return outputs
        return self._recorded(features, self.flat if flat is None else flat)

    @property
    def layers(self) -> Layers:
        """Its own layers, views of the weights, which follow their changes."""
        if self._layers is None or self._layers[0] is not self.flat:
            self._layers = self.flat, self.layers_of(self.flat)
        return self._layers[1]

    def layers_of(self, flat: torch.Tensor) -> Layers:
        """The layers of other weights (copies, P), which follow their changes."""
        from netagents.policies.perceptron_gradient import layers_of

        return layers_of(flat, self.layout)

    def forward_pass(self, features: torch.Tensor, layers: Layers | None = None) -> list[torch.Tensor]:
        """What each layer reads, and the outputs (copies, M, outputs); to be called where no graph is recorded.

        Args:
            features: (copies, M, inputs), or (M, inputs) for all.
            layers: of other weights than its own.
        """
        from netagents.policies.perceptron_gradient import forward_pass

        return forward_pass(self.layers if layers is None else layers, features, self.layout.activation)

    def descend_from(self, read: Sequence[torch.Tensor], slope: torch.Tensor, where: str) -> float:
        """:meth:`descend`, given what each layer read and the gradient of the loss in the outputs; likewise without a graph."""
        from netagents.policies.perceptron_gradient import flat_gradient

        return self.step(flat_gradient(self.layers, read, slope, self.layout), where)

    def _recorded(self, features: torch.Tensor, flat: torch.Tensor) -> torch.Tensor:
        """The same, differentiable in the features as well, operation by operation."""
        import torch

        parts = flat.split_with_sizes(self.layout.parts, dim=1)
        hidden = features if features.dim() == 3 else features.expand(self.copies, *features.shape)
        layers = len(self.layout.sizes) - 1
        for number in range(layers):
            weight = parts[2 * number].view(self.copies, *self.layout.shapes[2 * number])
            bias = parts[2 * number + 1].unsqueeze(1)
            hidden = torch.baddbmm(bias, hidden, weight)
            if number < layers - 1:
                hidden = torch.relu(hidden) if self.layout.activation == "relu" else torch.tanh(hidden)
        return hidden
