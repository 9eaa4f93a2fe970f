"""Neural power against exact power on a small wireless line: ``python -m benchmarks.calibration`` prints and draws.

Five users (:mod:`benchmarks.wireless_line`) train for some iterations; then their policies stand still while their critics go on
learning.  Exact power of the very same policies comes from linear algebra (:mod:`netagents.exact.power`).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
ROOT = Path(__file__).parent.parent
FIGURE, DATA = ROOT / "docs" / "figures" / "neural-power.png", ROOT / "docs" / "neural" / "power.csv"
SEEDS, VARIANTS = (0, 1), ("realized", "ex_ante")
N, TRAINED, MEASURED = 5, 15, 15

EXPERIMENT: dict[str, Any] = {
    "environment": {"kind": "import:benchmarks.wireless_line:WirelessLine"},
    "topology": {"kind": "line", "n": N},
    "kappa": 1,
    "kappa_critic": 2,
    "policy": {"kind": "mlp", "hidden": [32]},
    "learning": {
        "iterations": TRAINED + MEASURED,
        "batch": 128,
        "schedule": {"kind": "linear", "over": TRAINED, "final": 0.0},
        "algorithm": {
            "kind": "ppo",
            "learning_rate": 0.01,
            "critic": {"hidden": [32, 32], "steps": 40, "minibatch": 256, "learning_rate": 0.003},
        },
    },
    "power": {"visits": 100_000},
}


class Calibration(NamedTuple):
    """Power of j over i for all pairs within the critics' radius, as (P,) arrays.

    Attributes:
        distance: between the two.
        exact: by linear algebra.
        measured: by the agents' critics, mean over the last iterations.
    """

    distance: NDArray[np.int64]
    exact: FloatArray
    measured: FloatArray

    @property
    def correlation(self) -> float:
        """Pearson's, between exact and measured power."""
        return float(np.corrcoef(self.exact, self.measured)[0, 1])


def calibrate(seed: int, variant: str = "realized", **changes: Any) -> Calibration:
    """Train, measure, and compare.

    Args:
        seed: of the run.
        variant: ``realized`` or ``ex_ante``.
        changes: further settings.
    """
    from netagents.exact import Evaluation, JointModel
    from netagents.exact.joint_policy import JointPolicy
    from netagents.exact.power import power_matrices
    from netagents.experiment import load_experiment
    from netagents.launchers.in_process import InProcessNetwork
    from netagents.learning.neural_agent import NeuralAgent
    from netagents.learning.prepare import prepare

    settings = {**EXPERIMENT, "seed": seed, "power": {**EXPERIMENT["power"], "variant": variant}}
    prepared = prepare(load_experiment(settings, changes).experiment)
    network = InProcessNetwork(prepared.setup, prepared.environment)
    agents = [agent for agent in network.agents if isinstance(agent, NeuralAgent)]
    records = list(network.run(0, prepared.experiment.learning.iterations))
    tables, scopes = [], []
    for agent in agents:
        states = np.indices([4] * len(agent.policy.window)).reshape(len(agent.policy.window), -1)
        tables.append(agent.policy.probabilities_at(agent.policy.context(list(states))))
        scopes.append(agent.policy.window)
    model = JointModel(prepared.environment.kernel(), prepared.setup.discount)
    evaluation = Evaluation(model, JointPolicy(tuple(scopes), tuple(tables)))
    matrices = power_matrices(evaluation, evaluation.action_values(model.rewards), evaluation.visits(prepared.setup.horizon))
    truth = matrices.realized if variant == "realized" else matrices.ex_ante
    rows = [(abs(i - int(row[0])), truth[int(row[0]), i], row[1]) for i in range(N) for row in mean_rows(records[-MEASURED // 2 :], i)]
    distance, exact, measured = (np.array(column) for column in zip(*rows, strict=True))
    return Calibration(distance.astype(np.int64), exact, measured)


def mean_rows(records: list[Any], agent: int) -> FloatArray:
    """One agent's power rows, mean over iterations."""
    mean: FloatArray = np.mean([record.power[agent] for record in records], axis=0)
    return mean


def main() -> None:
    """Calibrate both variants, write ``docs/neural/power.csv``, print correlations, draw."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, len(VARIANTS), figsize=(9, 4.2))
    lines = ["variant,seed,distance,exact,measured"]
    for axis, variant in zip(axes, VARIANTS, strict=True):
        found = [calibrate(seed, variant) for seed in SEEDS]
        exact, measured, distance = (np.concatenate([getattr(each, name) for each in found]) for name in ("exact", "measured", "distance"))
        correlation = float(np.corrcoef(exact, measured)[0, 1])
        print(f"{variant}: correlation {correlation:.3f} over {len(exact)} pairs; by seed {[round(each.correlation, 3) for each in found]}")
        for hops in np.unique(distance):
            near = distance == hops
            bias, error = (measured - exact)[near].mean(), np.abs(measured - exact)[near].mean()
            print(f"  distance {hops}: exact {exact[near].mean():.4f}, bias {bias:+.4f}, mean error {error:.4f}", flush=True)
            axis.scatter(exact[near], measured[near], s=18, label=f"distance {hops}")
        for seed, each in zip(SEEDS, found, strict=True):
            rows = zip(each.distance, each.exact, each.measured, strict=True)
            lines += [f"{variant},{seed},{hops},{true:.5f},{read:.5f}" for hops, true, read in rows]
        top = float(max(exact.max(), measured.max())) * 1.05
        axis.plot([0, top], [0, top], color="0.6", linewidth=0.8)
        axis.set(title=f"{variant.replace('_', '-')} power, r = {correlation:.3f}", xlabel="exact", ylabel="from neural critics, kappa 2")
        axis.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(FIGURE, dpi=110)
    DATA.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
