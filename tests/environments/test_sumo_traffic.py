"""Traffic signals: observations, phases and lanes, scripted signals, demand, files, and one line for what is wrong; SUMO is not started."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from traffic_environments import loaded, traffic

from netagents.environments import build_environment
from netagents.environments.adapters.scripted_traffic import fixed_time, max_pressure
from netagents.environments.adapters.sumo_traffic import LONGEST, pressure
from netagents.environments.adapters.traffic_demand import demand_file
from netagents.errors import EnvironmentMismatchError, ExperimentError, MissingPackageError, SimulatorError
from netagents.experiment import load_experiment
from netagents.experiment.traffic_settings import DemandSettings, SumoSettings
from netagents.topology import Topology, build_topology


@pytest.fixture
def pretended(monkeypatch):
    """As if libsumo were installed, for what never starts it."""
    monkeypatch.setattr("netagents.environments.adapters.sumo_traffic.importlib.util.find_spec", lambda _: object())


def state_of(environment, numbers):
    """A joint state of one copy from queues, vehicles, phase and duration of each agent."""
    row = np.zeros((1, environment._columns))
    for each, (queues, vehicles, phase, lasts) in zip(environment.crossings, numbers, strict=True):
        row[0, each.queues], row[0, each.vehicles], row[0, each.phase], row[0, each.phase + 1] = queues, vehicles, phase, lasts
    return row


# -- without SUMO ------------------------------------------------------------------------------------------------------------


def test_a_missing_package_is_one_line_with_the_remedy(monkeypatch):
    monkeypatch.setattr("netagents.environments.adapters.sumo_traffic.importlib.util.find_spec", lambda _: None)
    with pytest.raises(MissingPackageError) as error:
        traffic()
    assert str(error.value).endswith("the package libsumo is not installed; pip install 'netagents[sumo]'")
    assert error.value.exit_code == 15


@pytest.mark.usefixtures("pretended")
def test_an_agent_sees_shares_of_its_own_lanes_its_phase_and_how_long_it_lasts():
    environment = traffic()
    each = environment.crossings[4]
    assert len(each.lanes) == 8
    assert environment.spec.state_spaces[4].shape == (21,)
    assert environment.spec.action_spaces[4].size == 4
    numbers = [(np.zeros(8), np.zeros(8), 0, 0)] * 9
    numbers[4] = (np.arange(8), np.arange(8) + 40, 2, 6)
    observations = environment.observe(state_of(environment, numbers))[4][0]
    assert np.allclose(observations[:8], np.arange(8) / each.capacity)
    assert (observations[8:16] == 1.0).all()  # more than fit
    assert observations[16:].tolist() == [0, 0, 1, 0, 0.5]
    assert np.allclose(each.capacity, 184.8 / 7.5, rtol=0.05)
    assert environment.notes == ()


@pytest.mark.usefixtures("pretended")
def test_a_phase_serves_the_lanes_whose_links_have_green_and_lanes_lead_to_those_of_the_next_signal():
    environment = traffic()
    # r1c1, the middle: north-south ahead and right, then left, then the same of west-east.
    served = environment.crossings[4].served
    assert served.sum(axis=1).tolist() == [4, 2, 4, 2]  # left may go in the first phase where nobody comes
    for lane, onward in zip(environment.crossings[4].lanes, environment.crossings[4].onward, strict=True):
        # Ahead or right: two roads of two lanes each; left: one road.
        assert len(onward) == (4 if lane.endswith("_0") else 2)
        assert {agent for agent, _ in onward} <= {1, 3, 5, 7}


@pytest.mark.usefixtures("pretended")
def test_max_pressure_serves_the_fullest_lanes_unless_those_ahead_are_full():
    environment = traffic()
    here = environment.crossings[4]
    vehicles = [np.zeros(8) for _ in range(9)]
    busy = int(np.flatnonzero(here.served[2] & ~here.served[0] & ~here.served[3])[0])
    vehicles[4][busy] = 6.0
    state = state_of(environment, [(np.zeros(8), each, 0, 0) for each in vehicles])
    observed = environment.observe(state)
    assert max_pressure(environment, observed, np.zeros((1, 9)))[4] == 2
    assert max_pressure(environment, observed, np.zeros((1, 9)))[0] == 0  # nothing to gain: it stays
    for agent, lane in here.onward[busy]:
        vehicles[agent][lane] = 20.0
    state = state_of(environment, [(np.zeros(8), each, 0, 0) for each in vehicles])
    counts = [each[None] for each in vehicles]
    assert pressure(environment, counts, 4)[0, busy] == 6.0 - 20.0
    assert max_pressure(environment, environment.observe(state), np.zeros((1, 9)))[4] != 2


@pytest.mark.usefixtures("pretended")
def test_fixed_time_keeps_each_phase_for_its_duration_and_goes_round():
    environment = traffic()
    script, phase, lasts, played = fixed_time(), 0, 0, []
    for _ in range(20):
        numbers = [(np.zeros(8), np.zeros(8), phase, lasts)] * 9
        action = int(script(environment, environment.observe(state_of(environment, numbers)), np.zeros((1, 9)))[4][0])
        lasts = min(lasts + 1, LONGEST) if action == phase else 0
        phase = action
        played.append(action)
    # 33 s and 6 s in the network's own program are three decisions and one.
    assert played == [0, 0, 1, 2, 2, 2, 3, 0, 0, 0, 1, 2, 2, 2, 3, 0, 0, 0, 1, 2]


@pytest.mark.usefixtures("pretended")
def test_traffic_goes_from_every_end_to_every_other_that_can_be_reached():
    environment = traffic()
    text = demand_file(environment.network, DemandSettings(vehicles_per_hour=360.0), 50)
    assert text.count("<flow ") == 12 * 11
    assert text.count(f'probability="{0.1 / 11!r}"') == 12 * 11
    one_way = traffic(network="midtown")
    flows = demand_file(one_way.network, DemandSettings(), 0).count("<flow ")
    assert 0 < flows < 14 * 14


@pytest.mark.usefixtures("pretended")
def test_signals_are_matched_by_name_and_what_does_not_fit_is_said():
    settings = SumoSettings()
    with pytest.raises(EnvironmentMismatchError, match=r"it has 9 signals \(r0c0, .*\), the topology 4 agents"):
        build_environment(settings, Topology(4, ((0, 1),)))
    names = tuple(f"r{row}c{column}" for column in range(3) for row in range(3))
    turned = build_environment(settings, Topology(9, ((0, 1),), labels=names))
    assert [signal.name for signal in turned.signals] == list(names)
    assert "11 pairs of signals are next to each other on the road but not in the topology" in turned.notes[0]
    with pytest.raises(EnvironmentMismatchError, match="it has no signal 'x'"):
        build_environment(settings, Topology(9, (), labels=("x", *names[1:])))
    with pytest.raises(EnvironmentMismatchError, match="5 s of yellow in decisions of 5 s"):
        traffic(yellow=5, interval=5)


@pytest.mark.usefixtures("pretended")
def test_files_are_found_when_loaded_and_must_stay_what_they_were(tmp_path):
    assert loaded().experiment.environment.network == "traffic_grid"  # a name, wherever it is read
    with pytest.raises(ExperimentError) as error:
        load_experiment({"environment": {"kind": "sumo", "network": "nowhere"}, "topology": {"kind": "complete", "n": 9}})
    assert "no such road network" in str(error.value)
    assert "with netagents come midtown, traffic_grid" in str(error.value)
    source = Path(__file__).parents[2] / "topologies" / "traffic_grid.net.xml"
    own = tmp_path / "own.net.xml"
    own.write_text(source.read_text())
    experiment = loaded(network=str(own)).experiment
    assert experiment.environment.network == str(own)
    assert experiment.environment.digest == loaded().experiment.environment.digest  # of what is in the file
    again = load_experiment(experiment).experiment
    assert again == experiment
    own.write_text(source.read_text().replace("13.89", "8.33"))
    with pytest.raises(EnvironmentMismatchError, match="not those that the run was made with"):
        build_environment(experiment.environment, build_topology(experiment.topology))


@pytest.mark.usefixtures("pretended")
def test_a_sumo_that_does_not_start_is_one_line_with_the_remedy(tmp_path, monkeypatch):
    (tmp_path / "libsumo.py").write_text('raise ImportError("libproj.so.25: cannot open shared object file")')
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    environment = traffic()
    with pytest.raises(SimulatorError) as error:
        environment.reset(np.array([[0.5]]))
    assert str(error.value) == (
        "environment 'sumo', network 'traffic_grid', copy 0: SUMO's start failed: ImportError: libproj.so.25: cannot open shared object "
        "file; reinstall it: pip install --force-reinstall libsumo"
    )
    assert len(environment.copies) == 0
