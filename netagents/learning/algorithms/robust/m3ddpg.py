"""M3DDPG (Li et al., AAAI 2019): minimax by one step of the others' actions against the agent's Q-function.

    eps_j = - alpha grad_{a_j} Q_i(x, a) / || grad_{a_j} Q_i(x, a) ||,   j != i,
    y = u_i + gamma Q'_i(x', a'_j + eps'_j, a'_i),
    theta_i climbs  Q_i(x, a_j + eps_j, mu_i(o_i)),

with eps' from the target network, and every eps a constant where the policy is differentiated.  The steps are worked out from agent i's
own critic: nothing is sent for them.  The authors' rates are 1e-3 for opponents and 1e-5 for team-mates; their code computes the
policy's perturbed value and then climbs the clean one, and uses 1e-3 for everybody in targets.  Here one rate holds for everybody, in
both places.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from netagents.critics.action_value import ActionValue
from netagents.experiment.robust_settings import M3ddpgSettings

if TYPE_CHECKING:
    import torch

SMALLEST_NORM = 1e-12


class MinimaxStep:
    """Q_i with the others' actions one step worse.

    Args:
        settings: alpha.
        others: columns of each other agent's action among the action features.
    """

    def __init__(self, settings: M3ddpgSettings, others: Sequence[slice]) -> None:
        self.rate, self.others = settings.rate, tuple(others)

    def values(self, q: ActionValue, observed: torch.Tensor, acted: torch.Tensor, weights: torch.Tensor | None = None) -> torch.Tensor:
        """(M,) values, differentiable in ``acted`` as if the steps were constants."""
        return q.values(observed, acted + self.steps(q, observed, acted, weights), weights)

    def steps(self, q: ActionValue, observed: torch.Tensor, acted: torch.Tensor, weights: torch.Tensor | None = None) -> torch.Tensor:
        """(M, A) by how much each action feature moves; zero for the agent's own."""
        import torch

        with torch.enable_grad():
            free = acted.detach().requires_grad_()
            fixed = q.net.flat.detach() if weights is None else weights
            (slope,) = torch.autograd.grad(q.values(observed, free, fixed).sum(), free)
        moved = torch.zeros_like(slope)
        for columns in self.others:
            along = slope[:, columns]
            moved[:, columns] = -self.rate * along / along.norm(dim=1, keepdim=True).clamp_min(SMALLEST_NORM)
        return moved
