"""Studies of robustness: methods trained, attacked and compared, found finished again, and what cannot be compared."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import pytest

from benchmarks.robustness_studies import PAGE, exposure, rendered
from netagents.cli.main import main
from netagents.errors import UsageError
from netagents.records.record_files import read_record
from netagents.studies.robustness_study import RELATIVES, robustness_study

FILE = """
name: {name}
environment: {{kind: gathering, cells: 6, sight: 1, horizon: 8}}
topology: {{kind: complete, n: {n}}}
kappa_policy: {reads}
kappa_gradient: 0
learning: {{iterations: 6, batch: 16}}
"""


def write(folder: Path, name: str, n: int = 3, reads: int = 0) -> str:
    path = folder / f"{name}.yaml"
    path.write_text(FILE.format(name=name, n=n, reads=reads))
    return str(path)


def test_methods_are_attacked_and_compared_seed_by_seed(tmp_path: Path) -> None:
    out = tmp_path / "study"
    words = ["study", "robustness", write(tmp_path, "hearing", reads=1), "--mir2", "0.1", "--seeds", "2", "--budget", "4", "-a", "1,2"]
    words += ["-a", "0", "-n", "32"]
    words += ["--out", str(out), "--jobs", "1"]
    assert main(words) == 0
    facts = read_record(out / "robustness.json", "robustness.json")
    assert [each["method"] for each in facts["methods"]] == ["hearing", "hearing + information 0.1"]
    first = facts["methods"][0]
    for method in facts["methods"]:
        assert [row["adversaries"] for row in method["rows"]] == ["1,2", "0"]
        for row, base in zip(method["rows"], first["rows"], strict=True):
            assert row["attacked"][3] == 2
            assert row["loss"][0] == pytest.approx(row["clean"][0] - row["attacked"][0])
            assert row["attacked_gain"][0] == pytest.approx(row["attacked"][0] - base["attacked"][0])
            assert row["clean"][0] == pytest.approx(sum(row["clean_by_seed"]) / 2)
        assert min(method["seconds_by_seed"]) > 0.0
        assert method["cpu_seconds"][0] == pytest.approx(sum(method["seconds_by_seed"]) / 2)
    assert first["time_ratio"][:3] == [1.0, 1.0, 1.0]
    assert [[each["hop"] for each in method["messages"]] for method in facts["methods"]] == [[1], [1]]
    page = (out / "report.html").read_text()
    assert "Adversaries 1,2" in page
    assert "Loss by group" in page
    assert "Corrupted messages" in page
    finished = {path: path.stat().st_mtime_ns for path in out.rglob("study_result.json")}
    assert len(finished) == 2 * 2 + 2 * 2 * 2
    attacks = {path: path.stat().st_mtime_ns for path in out.rglob("attack.json")}
    assert main(words) == 0
    assert {path: path.stat().st_mtime_ns for path in out.rglob("study_result.json")} == finished
    assert {path: path.stat().st_mtime_ns for path in out.rglob("attack.json")} == attacks
    assert read_record(out / "robustness.json", "robustness.json") == facts
    assert main(["study", "report", str(out)]) == 0


def test_only_converged_adversaries_are_played(tmp_path: Path) -> None:
    out = tmp_path / "study"
    assert main(["study", "robustness", write(tmp_path, "blind"), "--seeds", "1", "-n", "8", "--out", str(out), "--jobs", "1"]) == 0
    (file,) = out.glob("attacks/*/attack.json")
    (row,) = read_record(file, "attack.json")["rows"]
    assert [point["attacked"] for point in row["skill"]] == [row["attacked"]]
    assert (row["sampled"], row["noise"], row["weighted"]) == ([None, None, None, 0], [], [])
    # Its own page leaves out what was not measured.
    assert main(["study", "report", str(file.parent)]) == 0
    page = (file.parent / "report.html").read_text()
    assert "attacked, greedy" in page
    assert "attacked, sampled" not in page


def test_the_page_shows_what_the_committed_studies_came_to() -> None:
    page = PAGE.read_text()
    assert rendered(page) == page


def test_the_share_of_pairs_with_an_adversary_is_that_of_counting() -> None:
    for robots, adversaries in ((5, 1), (10, 4), (20, 2)):
        pairs = list(combinations(range(robots), 2))
        assert exposure(robots, adversaries) == pytest.approx(sum(min(pair) < adversaries for pair in pairs) / len(pairs))


def test_methods_of_other_environments_or_of_one_name_are_refused(tmp_path: Path) -> None:
    first = write(tmp_path, "blind")
    with pytest.raises(UsageError, match="'larger' has another environment or graph than 'blind'"):
        robustness_study([first, write(tmp_path, "larger", n=4)], [], lambdas=[], seeds=[0])
    with pytest.raises(UsageError, match="two methods are called 'blind'"):
        robustness_study([first, first], [], lambdas=[], seeds=[0])


ROBOTS = """
name: robots
environment: {kind: rendezvous}
topology: {kind: complete, n: 2}
kappa: 1
kappa_gradient: 0
policy: {kind: mlp, hidden: [8], box: tanh}
learning: {iterations: 1, batch: 2, horizon: 4, algorithm: {kind: maddpg, updates: 1, minibatch: 8, replay: 16, q: {hidden: [8]}}}
"""


def test_a_backbone_is_also_each_of_its_relatives_and_each_mode_of_the_penalty(tmp_path: Path) -> None:
    file = tmp_path / "robots.yaml"
    file.write_text(ROBOTS)
    modes, relatives = ["exact", "as_published"], list(RELATIVES)
    study = robustness_study([file], [], lambdas=[0.1], seeds=[0], modes=modes, relatives=relatives)
    added = ["information 0.1", "information 0.1 as_published", *relatives]
    assert [setting.label for setting in study.settings] == ["robots", *(f"robots + {each}" for each in added)]
    backbone, *others = (setting.experiment.learning.algorithm.model_dump() for setting in study.settings)
    assert [algorithm == backbone for algorithm in others] == [True, True, False, False, False, False]
    kinds = [algorithm["robust"] and algorithm["robust"]["kind"] for algorithm in others[2:]]
    assert kinds == ["m3ddpg", "rom_q", None, "romax"]
    assert others[4]["ernie"]["weight"] == 0.5
    assert [setting.experiment.signals[0].parameters for setting in study.settings[1:3]] == [{}, {"mode": "as_published"}]


def test_a_small_study_of_robots_runs_through(tmp_path: Path) -> None:
    file, out = tmp_path / "robots.yaml", tmp_path / "study"
    file.write_text(ROBOTS)
    words = ["study", "robustness", str(file), "--relatives", "m3ddpg", "--seeds", "1", "-n", "2", "--out", str(out), "--jobs", "1"]
    assert main(words) == 0
    facts = read_record(out / "robustness.json", "robustness.json")
    assert [each["method"] for each in facts["methods"]] == ["robots", "robots + m3ddpg"]
    assert all(each["rows"][0]["attacked"][0] < 0.0 for each in facts["methods"])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--mir2", "-1"], "'-1' is no list of lambdas above 0"),
        (["--relatives", "m3ddpg"], "truncated_pg has no relative 'm3ddpg'; take a backbone with learning.algorithm.kind maddpg"),
        (["--relatives", "better"], "'better' is no robust relative; there are m3ddpg, rom_q, ernie, romax"),
        (["--mir2", "0.1", "--modes", "guessed"], "there is no mode 'guessed'"),
        (["-a", "0,1,2"], "all 3 agents are adversaries"),
        (["learning.iterations=0"], "learning.iterations"),
    ],
)
def test_bad_words_leave_nothing_behind(words: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "study"
    assert main(["study", "robustness", write(tmp_path, "blind"), *words, "--out", str(out)]) != 0
    assert message in capsys.readouterr().err
    assert not out.exists()
