"""Kill storm: kills and stops of every role at every moment, alone and in pairs, under every failure policy.

Of each run the storm wants an end, nothing left behind, the name of who was struck, and a resume that ends with the bits of an undisturbed
run.  A few draws are part of the usual tests, five hundred of ``make chaos``; ``make chaos ARGS="--storm 60 -k storm"`` takes sixty.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from storm_draws import carry_out, draw, judge

if TYPE_CHECKING:
    from conftest import Starter

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("leaks"), pytest.mark.timeout(600)]

USUAL = 3


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    count = int(metafunc.config.getoption("--storm"))
    numbers = [pytest.param(number, marks=[] if number < USUAL else [pytest.mark.chaos]) for number in range(max(count, USUAL))]
    metafunc.parametrize("number", numbers)


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for undisturbed runs, outside what is watched for leaks."""
    return tmp_path_factory.mktemp("calm")


def test_a_run_that_is_struck_ends_names_who_was_struck_and_resumes_to_the_same_bits(number: int, start: Starter, calm: Path) -> None:
    storm = draw(number)
    run = start(storm.settings)
    try:
        judge(storm, carry_out(storm, run), run, calm)
    except AssertionError as wrong:
        # In a storm of hours nobody wants to wait for the end.
        print(f"{storm}: {wrong}", flush=True)
        raise
    print(storm, flush=True)
