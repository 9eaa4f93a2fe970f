"""Copies of other people's environments: made as needed, closed once whatever happens, and judged in every step."""

from __future__ import annotations

import logging
import time
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pettingzoo", reason="needs the extra: pip install 'netagents[environments]'")

from netagents.environments import Discrete, build_environment
from netagents.environments.adapters import environment_copies as copies_module
from netagents.environments.environment_session import EnvironmentSession
from netagents.errors import EnvironmentMismatchError, ForeignCodeError, ForeignExitError
from netagents.experiment import load_experiment
from netagents.experiment.environment_settings import ParallelEnvSettings
from netagents.experiment.topology_settings import CompleteSettings
from netagents.foreign.containment import contained
from netagents.learning.prepared_experiment import prepare
from netagents.testing import check_environment
from netagents.topology import build_topology


def adapted(name: str, n: int = 2, **settings):
    return build_environment(ParallelEnvSettings(make=f"lasting_envs:{name}", **settings), build_topology(CompleteSettings(n=n)))


def notes(folder: Path, word: str) -> int:
    file = folder / "notes"
    return sum(line.startswith(f"{word} ") for line in file.read_text().splitlines()) if file.exists() else 0


def play(environment, steps: int = 6, copies: int = 2, actions: int = 0):
    session = EnvironmentSession(environment, copies, 0.99, seed=0)
    messages = session.begin(0)
    for _ in range(steps):
        messages = session.advance([np.full(copies, actions, np.uint8)] * environment.spec.n)
    return messages


def test_facts_leave_no_copy_behind_and_use_makes_as_many_as_it_needs(tmp_path: Path) -> None:
    settings = {
        "environment": {"kind": "pettingzoo", "make": "lasting_envs:Plain", "arguments": {"folder": str(tmp_path)}},
        "topology": {"kind": "line", "n": 2},
        "policy": {"kind": "mlp", "hidden": [4]},
        "learning": {"iterations": 1, "batch": 3, "algorithm": {"kind": "ppo"}},
    }
    prepared = prepare(load_experiment(settings).experiment)
    assert (notes(tmp_path, "made"), notes(tmp_path, "closed")) == (1, 1)
    reports: list[tuple[int, int]] = []
    prepared.environment.open(3, lambda made, total: reports.append((made, total)))
    assert reports == [(1, 3), (2, 3), (3, 3)]
    play(prepared.environment, copies=3)
    assert notes(tmp_path, "made") == 4
    prepared.environment.close()
    prepared.environment.close()
    assert notes(tmp_path, "closed") == 4


def test_a_refused_environment_is_closed_as_well(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentMismatchError, match="it has 2 agents"):
        adapted("Plain", 3, arguments={"folder": str(tmp_path)})
    assert (notes(tmp_path, "made"), notes(tmp_path, "closed")) == (1, 1)


def test_checking_closes_what_it_made(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="no usable bounds"):
        check_environment(adapted("Plain", arguments={"folder": str(tmp_path)}), batch=3)
    assert notes(tmp_path, "made") == notes(tmp_path, "closed") == 3


@pytest.mark.parametrize("how", ["exit", "at once", "raise"])
def test_a_close_that_fails_is_only_told(how: str, caplog: pytest.LogCaptureFixture) -> None:
    environment = adapted("Ending", arguments={"how": how, "when": "close"})
    with caplog.at_level(logging.WARNING), contained():
        environment.close()
    assert "its close" in caplog.text
    assert "lasting_envs.py" in caplog.text


def test_a_close_that_hangs_is_left(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(copies_module, "CLOSE_SECONDS", 0.2)
    environment = adapted("Stubborn")
    with caplog.at_level(logging.WARNING):
        environment.close()
    assert "its close took longer than 0.2 s and was left" in caplog.text


@pytest.mark.parametrize(("how", "word"), [("exit", r"SystemExit\(0\)"), ("exit with a word", "licence"), ("at once", r"os\._exit\(0\)")])
@pytest.mark.parametrize("when", ["make", "reset", "step"])
def test_no_way_to_end_the_process_ends_it(how: str, word: str, when: str) -> None:
    line = rf"environment 'lasting_envs:Ending'.* asked the process to end with .*{word}.*; see .*lasting_envs.py:\d+ in maybe"
    with pytest.raises(ForeignExitError, match=line), contained():
        play(adapted("Ending", arguments={"how": how, "when": when}))


def test_an_exception_of_theirs_is_one_line_with_their_file() -> None:
    with pytest.raises(
        ForeignCodeError, match=r"copy 0: its step failed: LookupError: no road to there; see .*lasting_envs.py:\d+ in maybe"
    ):
        play(adapted("Ending", arguments={"how": "raise"}))


def test_numbers_may_be_names() -> None:
    environment = adapted("Numbered")
    assert environment.names == ("7", "3")
    assert adapted("Numbered", agents=("3", "7")).names == ("3", "7")
    messages = play(environment, steps=2, actions=1)
    assert messages[0].reward.tolist() == [1.0, 1.0]  # rewards of shape (1,)


def test_an_agent_that_comes_back_is_refused_when_it_does() -> None:
    environment = adapted("Returning")
    play(environment, steps=3)
    with pytest.raises(ForeignCodeError, match=r"copy 0, step 4, agent 'right': it is back after it had ended"):
        play(environment, steps=4)


def test_a_mask_that_comes_later_is_refused_or_heeded() -> None:
    with pytest.raises(ForeignCodeError, match=r"copy 0, step 2, agent 'left': its info has an action mask .*environment.masked: true"):
        play(adapted("Legal", arguments={"first": 2}))
    environment = adapted("Legal", arguments={"first": 2}, masked=True)
    assert environment.spec.capabilities.masked
    messages = play(environment, steps=2, actions=1)
    assert [message.mask.tolist() for message in messages] == [[[True, False]] * 2] * 2
    play(environment, steps=1, actions=1)  # before, everything is legal


def test_a_mask_that_vanishes_leaves_everything_legal() -> None:
    environment = adapted("Legal", arguments={"last": 1})
    assert play(environment, steps=1)[0].mask.tolist() == [[True, False]] * 2
    assert play(environment, steps=2)[0].mask.tolist() == [[True, True]] * 2


def test_masks_may_be_ignored_with_a_word(caplog: pytest.LogCaptureFixture) -> None:
    environment = adapted("Legal", masked=False)
    with caplog.at_level(logging.WARNING):
        messages = play(environment, steps=2, actions=1)
    assert messages[0].mask is None
    assert caplog.text.count("its action masks are not heeded") == 1


@pytest.mark.parametrize(
    ("mask", "line"),
    [
        ([0, 0], "its action mask allows no action"),
        ([1, 0, 1], "its action mask has 3 entries for 2 actions"),
        ([0.5, 1.0], r"is array\(.*; 1 marks a legal action"),
        (["yes", "no"], ".*no list of truth values"),
    ],
)
def test_masks_that_are_none_are_told(mask, line) -> None:
    with pytest.raises(ForeignCodeError, match=rf"copy 0, agent 'left': .*{line}"):
        play(adapted("Legal", arguments={"mask": mask}))


@pytest.mark.parametrize("mask", [[True, False], [1.0, 0.0], [[1, 0]]])
def test_masks_of_any_truth_values_are_taken(mask) -> None:
    assert play(adapted("Legal", arguments={"mask": mask}), steps=1)[0].mask.tolist() == [[True, False]] * 2


def test_spaces_are_those_of_theirs() -> None:
    environment = adapted("Plain")
    assert environment.spec.action_spaces == (Discrete(2),) * 2
    assert environment.spec.observation_spaces[0].highs == (np.inf, 1.0)


def test_a_hanging_close_outside_of_the_main_thread_is_left_too(monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    monkeypatch.setattr(copies_module, "CLOSE_SECONDS", 0.2)
    environment = adapted("Stubborn")
    closing = threading.Thread(target=environment.close)
    closing.start()
    deadline = time.monotonic() + 60
    while closing.is_alive() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not closing.is_alive()
