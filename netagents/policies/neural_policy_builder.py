"""From settings to the network policy of one agent."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from netagents.environments.feature_encoders import FeatureEncoder
from netagents.environments.spaces import Discrete, Space
from netagents.experiment.policy_settings import GruPolicySettings, NetworkPolicySettings
from netagents.policies.neural_policy import CategoricalPolicy, GaussianPolicy, NeuralPolicy, TanhPolicy
from netagents.policies.recurrent_policy import RecurrentCategoricalPolicy, RecurrentGaussianPolicy, RecurrentTanhPolicy
from netagents.policies.window_reader import WindowReader


def build_neural_policy(
    settings: NetworkPolicySettings,
    window: Sequence[int],
    spaces: Sequence[Space],
    action: Space,
    own: int,
    view: FeatureEncoder,
    marked: bool,
    logit_bound: float,
    generator: np.random.Generator,
    where: str,
) -> NeuralPolicy:
    """A categorical policy for a finite action space; for a box the one that the settings name.

    Args:
        settings: of its layers.
        window: agents it reads. spaces: observation space of each. own: its place among them.
        action: its own action space.
        view, marked: see :class:`WindowReader`.
        logit_bound: of categorical ones.
        generator: draws the first weights.
        where: names the agent in errors.

    Raises:
        EnvironmentMismatchError: the box of actions is unbounded.
    """
    reader = WindowReader(view, spaces, own, marked)
    recurrent = isinstance(settings, GruPolicySettings)
    if isinstance(action, Discrete):
        finite = RecurrentCategoricalPolicy if recurrent else CategoricalPolicy
        return finite(settings, window, reader, action.size, logit_bound, generator, where)
    if settings.box == "tanh":
        tanh = RecurrentTanhPolicy if recurrent else TanhPolicy
        return tanh(settings, window, reader, action, generator, where)
    box = RecurrentGaussianPolicy if recurrent else GaussianPolicy
    return box(settings, window, reader, action, generator, where)
