"""Parts of a user's own that draw from the global generators of numpy and Python, and write down what they drew."""

import os
import random
from pathlib import Path

import numpy as np

from netagents.policies import TabularPolicy


def note(what):
    """One line with two global numbers, where the test asks for them."""
    drawn = f"{np.random.rand():.17g} {random.random():.17g}"
    folder = os.environ.get("NETAGENTS_TEST_DRAWS")
    if folder:
        with (Path(folder) / f"{os.getpid()}.txt").open("a", encoding="utf-8") as file:
            file.write(f"{what} {drawn}\n")


class Noisy(TabularPolicy):
    """A softmax table with a trembling hand, which it draws globally."""

    def __init__(self, window, state_sizes, action_size):
        super().__init__(window, state_sizes, action_size)
        note(f"built {window[0]}-{len(window)}")
        self.logits += 1e-3 * np.random.standard_normal(self.logits.shape)

    def _softmax(self, logits):
        weights = np.exp(logits - logits.max(axis=1, keepdims=True))
        return weights / weights.sum(axis=1, keepdims=True)

    def distribution(self, logits):
        """As the base class asks."""
        return self._softmax(logits)

    def score_sum(self, credit):
        """With noise, so that the learning depends on it."""
        return credit - self._softmax(self.logits) * credit.sum(axis=1, keepdims=True) + 1e-3 * np.random.standard_normal(credit.shape)
