"""Robust relatives of MADDPG: their equations, certificates, and one-step games whose robust solutions are known."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
import torch

from netagents.critics.action_value import ActionValue
from netagents.errors import ExperimentError
from netagents.experiment import load_experiment
from netagents.experiment.algorithm_settings import ActionValueSettings
from netagents.experiment.robust_settings import ErnieSettings, M3ddpgSettings, RomaxSettings
from netagents.learning.algorithms.maddpg import MaddpgAgent
from netagents.learning.algorithms.robust.ernie import smoothness_penalty
from netagents.learning.algorithms.robust.m3ddpg import MinimaxStep
from netagents.learning.algorithms.robust.rom_q import adversarial_copies, input_gradient
from netagents.learning.algorithms.robust.romax import CertifiedMinimum
from netagents.policies.mlp import MlpLayout
from netagents.policies.torch_mlp import TrainedMlp, tensor
from tests.learning.test_maddpg import PRODUCT, network, trained

STAG: dict[str, Any] = {
    **PRODUCT,
    "environment": {"kind": "import:tests.support.one_step_games:Stag"},
    "policy": {"kind": "mlp", "hidden": [16]},
}


def critic(seed: int, hidden: list[int], activation: str = "relu", inputs: int = 6) -> ActionValue:
    settings = ActionValueSettings.model_validate({"hidden": hidden, "activation": activation})
    made = ActionValue(settings, inputs, 1.0, np.random.default_rng(seed), 0)
    with torch.no_grad():
        made.net.flat.mul_(2.0).add_(0.1)
    made.units.centre, made.units.scale = -3.0, 2.5
    return made


def points(seed: int, count: int = 5) -> tuple[torch.Tensor, torch.Tensor]:
    generator = np.random.default_rng(seed)
    return tensor(generator.uniform(-1, 1, (count, 2))), tensor(generator.uniform(-0.8, 0.8, (count, 4)))


# -- M3DDPG --------------------------------------------------------------------------------------------------------------


def test_the_minimax_step_has_its_length_and_goes_down_the_critic() -> None:
    """Agent 0 has one action feature, the others one and two; differences instead of derivatives."""
    q, (observed, acted) = critic(0, [16, 16], "tanh"), points(1)
    method = MinimaxStep(M3ddpgSettings(rate=0.25), [slice(1, 2), slice(2, 4)])
    steps = method.steps(q, observed, acted)
    assert not steps[:, 0].any()
    width = 1e-3
    slope = torch.zeros_like(acted)
    for place in range(4):
        moved = torch.zeros_like(acted)
        moved[:, place] = width
        slope[:, place] = ((q.values(observed, acted + moved) - q.values(observed, acted - moved)) / (2 * width)).detach()
    for columns in (slice(1, 2), slice(2, 4)):
        assert steps[:, columns].norm(dim=1).tolist() == pytest.approx([0.25] * 5, rel=1e-5)
        expected = -0.25 * slope[:, columns] / slope[:, columns].norm(dim=1, keepdim=True)
        assert steps[:, columns].numpy() == pytest.approx(expected.numpy(), abs=2e-3)
    # In the derivative of the own action the steps are constants.
    free = acted.clone().requires_grad_()
    (own,) = torch.autograd.grad(method.values(q, observed, free).sum(), free)
    fixed = acted.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(q.values(observed, fixed + steps).sum(), fixed)
    assert torch.equal(own, gradient)


# -- ROMAX ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize("seed", range(4))
def test_the_bound_is_below_every_value_in_the_box_and_the_relaxation_is_no_looser_than_intervals(seed: int, activation: str) -> None:
    q, (observed, acted) = critic(seed, [12, 12], activation), points(seed)
    lowest, highest = [-1.0] * 4, [1.0] * 4

    def bound(kind: str, epsilon: float) -> Any:
        settings = RomaxSettings.model_validate({"epsilon": epsilon, "share": 1.0, "bound": kind})
        return CertifiedMinimum(settings, [slice(2, 4)], lowest, highest).lower_bound(q, observed, acted).detach().numpy()

    grid = np.array(list(product(np.linspace(-1, 1, 25), repeat=2)), dtype=np.float32)
    for epsilon in (0.05, 0.4):
        least = np.full(len(acted), np.inf)
        for shift in epsilon * grid:
            moved = acted.clone()
            moved[:, 2:] = (moved[:, 2:] + tensor(shift)).clamp(-1.0, 1.0)
            least = np.minimum(least, q.values(observed, moved).detach().numpy())
        interval, linear = bound("interval", epsilon), bound("linear", epsilon)
        assert (linear >= interval).all()
        assert (linear <= least + 1e-4).all()
        if activation == "relu":
            assert (linear > interval).any()
    plain = q.values(observed, acted).detach().numpy()
    assert bound("linear", 1e-6) == pytest.approx(plain, abs=1e-3)
    # Without hidden layers the minimum is that of a corner, and the bound is exact.
    flat = critic(seed, [])
    settings = RomaxSettings(epsilon=0.1, share=0.25, bound="linear")
    method = CertifiedMinimum(settings, [slice(2, 4)], lowest, highest)
    slope = flat.layers()[-1][0][4:, 0].detach().abs().sum().item()
    expected = flat.values(observed, acted).detach().numpy() - 0.25 * 0.1 * slope
    assert method.values(flat, observed, acted).detach().numpy() == pytest.approx(expected, abs=1e-4)


# -- games ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "robust",
    ["{kind: m3ddpg, rate: 0.3}", "{kind: romax, epsilon: 0.3, share: 1.0, bound: linear}"],
    ids=["m3ddpg", "romax"],
)
def test_the_best_answer_to_the_worst_nearby_action_is_learned(robust: str) -> None:
    """a = level - epsilon = 0.5, where the plain best answer is 0.8; agent 1's own action is the same for every method."""
    net = trained(PRODUCT, f"learning.algorithm.robust={robust}")
    played = [float(agent.policy.greedy(agent.policy.context([np.zeros(1, np.uint8)] * 2))[0, 0]) for agent in net.agents]
    assert played[0] == pytest.approx(0.5, abs=0.08)
    assert played[1] == pytest.approx(0.8, abs=0.08)


@pytest.mark.parametrize(("robust", "hunts"), [("null", True), ("{kind: rom_q, probability: 0.6}", False)], ids=["plain", "rom_q"])
def test_beside_adversaries_by_lot_the_safe_action_is_learned(robust: str, hunts: bool) -> None:
    """With probability 0.6 one of both is adversarial: agent 1 fails agent 0 in 0.3 / 0.7 of the copies that count, above 1/4; without,
    it fails it in 0.2 of them, as often as its bounded logits and their penalty make it."""
    bounded = ("learning.logit_bound=1.2", "learning.algorithm.logit_penalty=0.1", "learning.iterations=40")
    net = trained(STAG, f"learning.algorithm.robust={robust}", *bounded)
    agent = net.agents[0]
    assert int(agent.policy.greedy(agent.policy.context([np.zeros(1, np.uint8)] * 2))[0]) == int(hunts)


def test_the_lot_marks_one_agent_in_its_share_of_the_copies_and_its_policy_leaves_them_out() -> None:
    marked = np.stack([adversarial_copies(3, 7, 20_000, 4, agent, 0.3) for agent in range(4)])
    assert marked.sum(axis=0).max() == 1
    assert marked.mean(axis=1) == pytest.approx([0.075] * 4, abs=0.006)
    net = network(STAG, "learning.algorithm.robust={kind: rom_q, probability: 0.5}", "learning.iterations=1")
    list(net.run(0, 1))
    for index, agent in enumerate(net.agents):
        assert isinstance(agent, MaddpgAgent)
        batch = agent.replay_buffer.batch(0)
        lot = adversarial_copies(0, 0, 64, 2, index, 0.5)
        assert batch["chosen"].tolist() == (~lot).tolist()
        # One and the same worst action in all of these copies, since there is one observation.
        worst = batch["acted"][:64][lot][:, agent.own_columns]
        assert len(np.unique(worst, axis=0)) == 1


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_the_derivative_of_a_network_in_its_input_is_that_of_differences(activation: Any) -> None:
    layout, generator = MlpLayout((3, 7, 5, 1), activation), np.random.default_rng(2)
    layers = layout.layers(layout.first_weights(generator, 1.0))
    at, width = generator.uniform(-1, 1, (4, 3)).astype(np.float32), 1e-3
    result = input_gradient(layout, layers, at)
    for place in range(3):
        step = np.zeros(3, np.float32)
        step[place] = width
        difference = (layout.forward(layers, at + step) - layout.forward(layers, at - step))[:, 0] / (2 * width)
        assert result[:, place] == pytest.approx(difference, abs=2e-3)


# -- ERNIE ---------------------------------------------------------------------------------------------------------------


def test_ernies_penalty_is_that_of_its_equations_and_pulls_a_linear_policy_to_the_known_optimum() -> None:
    """f(o) = w o + b: || f(o + delta) - f(o) || = |w| ||delta||, and one step along |o| sign(w) delta / ||delta|| |w|."""
    layout = MlpLayout((1, 1), "tanh")
    net = TrainedMlp(layout, [np.array([0.7, 0.1], np.float32)], 1e-2, None, "policy", 0)
    settings = ErnieSettings(weight=2.0, rate=0.5, steps=1, deviation=0.2)
    context = tensor(np.array([[1.0], [-2.0], [0.5]]))
    delta = 0.2 * np.random.default_rng(4).standard_normal((3, 1))
    slope = 0.7 * delta / np.linalg.norm(delta)
    moved = delta + 0.5 * np.abs(context.numpy()) * slope
    expected = 2.0 * 0.7 * np.linalg.norm(moved)
    assert float(smoothness_penalty(net, context, settings, np.random.default_rng(4)).detach()) == pytest.approx(expected, rel=1e-5)
    # One step of a game: the best action is the observation itself, E (f(o) - o)^2 / 2 + lambda |w| c is least at w = 1 - lambda c / E o^2.
    observed = np.random.default_rng(5).choice([-1.0, 1.0], (256, 1))
    context, still = tensor(observed), ErnieSettings(weight=0.05, rate=1.0, steps=0, deviation=0.1)
    generator = np.random.default_rng(6)
    for step in range(600):
        net.rate = 1e-2 if step < 400 else 1e-3
        loss = ((net(context)[0] - context) ** 2).mean() / 2
        net.descend(loss + smoothness_penalty(net, context, still, generator), "here")
    length = 0.1 * np.sqrt(256)
    assert float(net.flat.detach()[0, 0]) == pytest.approx(1.0 - 0.05 * length, abs=0.01)


@pytest.mark.parametrize("kind", ["ppo", "actor_critic", "maddpg"])
def test_with_ernie_policies_change_less_with_what_they_observe(kind: str) -> None:
    document: dict[str, Any] = {
        "environment": {"kind": "line_msg"},
        "topology": {"kind": "line", "n": 3},
        "kappa": 1,
        "policy": {"kind": "mlp", "hidden": [16]},
        "learning": {"iterations": 8, "batch": 16, "horizon": 10, "algorithm": {"kind": kind, "critic": {"steps": 2, "minibatch": 32}}},
        "runtime": {"launcher": "in_process"},
    }
    if kind == "maddpg":
        document["learning"]["algorithm"] |= {"updates": 8, "minibatch": 64}
    slopes = []
    for ernie in ("null", "{weight: 5.0, deviation: 0.1}"):
        net = trained(document, f"learning.algorithm.ernie={ernie}")
        agent = net.agents[1]
        contexts = [agent.policy.context([np.array([state], np.uint8) for state in states]) for states in product((0, 1), repeat=3)]  # type: ignore[attr-defined]
        outputs = np.concatenate([agent.policy.outputs(context) for context in contexts])  # type: ignore[attr-defined]
        slopes.append(float(outputs.std(axis=0).max()))
    assert slopes[1] < 0.7 * slopes[0]


def test_a_relaxation_of_units_that_are_no_relus_is_one_line() -> None:
    with pytest.raises(ExperimentError, match=r"linear relaxes relu units, .*; use robust.bound interval"):
        load_experiment(PRODUCT, ["learning.algorithm.robust={kind: romax}", "learning.algorithm.q.activation=tanh"])
