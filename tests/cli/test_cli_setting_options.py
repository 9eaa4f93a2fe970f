"""Settings as options: what people type from habit is the setting, or is told how it is written."""

from __future__ import annotations

import json

import pytest

from netagents.cli.main import main


def shown_settings(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, object]:
    assert main(["config", "show", "--json", *words]) == 0
    values: dict[str, object] = json.loads(capsys.readouterr().out)
    return values


def test_top_and_dotted_settings_may_be_options(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (
        ("line_msg", "--seed", "3", "--kappa=1", "--learning.iterations", "7"),
        ("--seed=3", "line_msg", "kappa=1", "--learning.iterations=7"),
        ("--kappa", "1", "--seed", "3", "line_msg", "learning.iterations=7"),
    ):
        result = shown_settings(capsys, *words)
        assert (result["seed"], result["kappa"], result["learning"]["iterations"]) == (3, 1, 7)  # type: ignore[index]
    assert shown_settings(capsys, "line_msg", "--kappa-policy", "0")["kappa_policy"] == 0
    assert shown_settings(capsys, "line_msg", "--", "seed=4")["seed"] == 4


@pytest.mark.parametrize("word", ["-h", "--help"])
@pytest.mark.parametrize("command", [[], ["run"], ["config", "show"], ["study", "radius"], ["node"], ["topology", "draw"]])
def test_help_has_a_short_form(word: str, command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*command, word]) == 0
    assert "Usage" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["run", "line_msg", "--seed"], "--seed has no value; write seed=VALUE, or --seed VALUE"),
        (["run", "line_msg", "--kappa", "--quiet"], "--kappa has no value; write kappa=VALUE, or --kappa VALUE"),
        (
            ["run", "line_msg", "--iterations", "5"],
            "no such option: --iterations; a setting in a group is written with its group: learning.iterations=5"
            " or calibration.iterations=5",
        ),
        (
            ["plan", "line_msg", "--lr=0.1"],
            "no such option: --lr; a setting in a group is written with its group: learning.learning_rate=0.1"
            " or learning.algorithm.learning_rate=0.1 or learning.algorithm.critic.learning_rate=0.1",
        ),
        (["run", "line_msg", "--nonsense", "5"], "No such option: --nonsense (Possible options: --nodes); see netagents run --help"),
        (["runs", "--seed", "5"], "No such option: --seed; see netagents runs --help"),
        (["run", "line_msg", "--seeds", "3", "--audit"], "--audit: is for one run; leave out --detach, --audit and --watch"),
        (["run", "line_msg", "--against", "seed=3"], "--against seed=3: changes nothing that is learned; name settings in which"),
        (["run", "line_msg", "kappa=0", "kappa_policy=0", "--against", "kappa_critic=0"], "changes nothing that is learned"),
        (["run", "line_msg", "--against", "kapa=0"], "override 'kapa=0': kapa: unknown key; did you mean 'kappa'?"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_is_none_is_one_line(words: list[str], line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) in (2, 3)
    output = capsys.readouterr()
    assert line in output.err
    assert output.err.count("\n") == 1


def test_an_earlier_name_is_noted_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "show", "line_msg", "learning.step_size=4"]) == 0
    assert capsys.readouterr().err == (
        "netagents: note: override learning.step_size=4: learning.step_size is read as learning.learning_rate\n"
    )
