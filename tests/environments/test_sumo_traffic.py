"""Traffic signals in SUMO: the contract, counts against SUMO's own vehicles, baselines, worker processes, and one line for what is wrong.

What needs libsumo is skipped without it; ``make test-adapters`` installs it.
"""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from netagents.environments import build_environment
from netagents.environments.adapters.scripted_traffic import fixed_time, max_pressure
from netagents.environments.adapters.sumo_traffic import LONGEST, SumoTraffic, pressure
from netagents.environments.adapters.traffic_demand import demand_file
from netagents.environments.games.scripted import scripted_returns, uniform
from netagents.errors import EnvironmentMismatchError, ExperimentError, ForeignExitError, MissingPackageError, SimulatorError
from netagents.experiment import load_experiment
from netagents.experiment.traffic_settings import DemandSettings, SumoSettings
from netagents.launchers.in_process import InProcessNetwork
from netagents.learning.prepare import prepare
from netagents.testing import check_environment
from netagents.topology import Topology, build_topology

SUMO = importlib.util.find_spec("libsumo") is not None

needs_sumo = [
    pytest.mark.skipif(not SUMO, reason="the package libsumo is missing: pip install 'netagents[sumo]', or make test-adapters"),
    pytest.mark.timeout(600),
]


def with_sumo(test):
    for mark in needs_sumo:
        test = mark(test)
    return test


def loaded(**settings):
    network = settings.get("network", "traffic_grid")
    given = {
        "environment": {"kind": "sumo", "network": network, **settings},
        "topology": {"kind": "file", "path": f"{network}" if "/" in str(network) else f"{network}.net.xml"},
        "policy": {"kind": "mlp"},
        "learning": {"algorithm": {"kind": "ppo"}},
    }
    return load_experiment(given)


def traffic(**settings) -> SumoTraffic:
    experiment = loaded(**settings).experiment
    return build_environment(experiment.environment, build_topology(experiment.topology))


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
    seen = environment.observe(state_of(environment, numbers))[4][0]
    assert np.allclose(seen[:8], np.arange(8) / each.capacity)
    assert (seen[8:16] == 1.0).all()  # more than fit
    assert seen[16:].tolist() == [0, 0, 1, 0, 0.5]
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


# -- with SUMO ---------------------------------------------------------------------------------------------------------------


@with_sumo
@pytest.mark.parametrize("network", ["traffic_grid", "midtown"])
def test_the_contract_holds_and_copies_repeat(network):
    check_environment(traffic(network=network), batch=2, steps=4)


COUNTED = """
import json, sys
import libsumo
words, lanes, steps = json.loads(sys.argv[1]), set(json.loads(sys.argv[2])), int(sys.argv[3])
libsumo.start(words)
standing, arrived = [], 0
for _ in range(steps):
    libsumo.simulationStep()
    arrived += libsumo.simulation.getArrivedNumber()
    moving = [name for name in libsumo.vehicle.getIDList() if libsumo.vehicle.getSpeed(name) < 0.1]
    standing.append(sum(libsumo.vehicle.getLaneID(name) in lanes for name in moving))
    standing[-1] += len(libsumo.simulation.getPendingVehicles())
print("told", json.dumps([standing, arrived]))
"""


@with_sumo
def test_what_agents_earn_is_what_vehicles_stand_counted_vehicle_by_vehicle(tmp_path):
    # Every signal has one green phase that lets all go, so that nobody's actions matter and SUMO can be run without them.
    text = (Path(__file__).parents[2] / "topologies" / "traffic_grid.net.xml").read_text()
    kept = [line for line in text.splitlines() if "<phase" not in line or "GGgrrrGGgrrr" in line]
    own = tmp_path / "own.net.xml"
    own.write_text("\n".join(kept))
    environment = traffic(network=str(own), warm_up=30, demand={"vehicles_per_hour": 700.0})
    try:
        state = environment.reset(np.full((1, 1), 0.25))
        rewards = []
        for _ in range(6):
            outcome = environment.step(state, [np.zeros(1, dtype=np.int64)] * 9, np.zeros((1, 0)))
            state = outcome.state
            rewards.append(outcome.rewards[0].sum())
    finally:
        environment.close()
    demand = tmp_path / "demand.add.xml"
    demand.write_text(demand_file(environment.network, environment.settings.demand, 0))
    words = [
        "sumo",
        "-n",
        str(own),
        "-a",
        str(demand),
        "--seed",
        str(1 << 29),
        "--no-warnings",
        "--no-step-log",
        "--xml-validation",
        "never",
    ]
    lanes = [lane for each in environment.crossings for lane in each.lanes]
    told = subprocess.run(
        [sys.executable, "-c", COUNTED, json.dumps(words), json.dumps(lanes), "90"], capture_output=True, text=True, check=True
    ).stdout
    standing, arrived = json.loads(told.partition("told")[2])
    assert sum(standing) > 1_000
    assert np.allclose(rewards, [-np.mean(standing[30 + 10 * k : 40 + 10 * k]) for k in range(6)])
    assert state[0, 1] == arrived


@with_sumo
def test_a_copy_depends_on_its_seed_alone_and_max_pressure_beats_fixed_time_beats_random():
    environment = traffic(demand={"vehicles_per_hour": 360.0}, horizon=30)
    try:
        returns = {
            name: scripted_returns(environment, script, 2, 0) for name, script in (("pressure", max_pressure), ("fixed", fixed_time()))
        }
        returns["uniform"] = scripted_returns(environment, uniform, 2, 0)
        assert returns["pressure"].min() > returns["fixed"].max()
        assert returns["fixed"].min() > returns["uniform"].max()
        noise = np.array([[0.1], [0.7], [0.1]])
        state = environment.reset(noise)
        for _ in range(3):
            outcome = environment.step(state, [np.zeros(3, dtype=np.int64)] * 9, np.zeros((3, 0)))
            state = outcome.state
        assert (outcome.rewards[0] == outcome.rewards[2]).all()
        assert (outcome.rewards[0] != outcome.rewards[1]).any()
        with pytest.raises(EnvironmentMismatchError, match="it can only go on from its newest state"):
            environment.step(environment.reset(noise) - 1.0, [np.zeros(3, dtype=np.int64)] * 9, np.zeros((3, 0)))
    finally:
        environment.close()


@with_sumo
def test_a_worker_that_dies_is_one_line_and_leaves_no_other_behind():
    environment = traffic()
    state = environment.reset(np.array([[0.1], [0.7]]))
    pids = environment.copies.processes
    os.kill(pids[1], signal.SIGKILL)
    with pytest.raises(ForeignExitError, match="copy 1: SUMO ended its process by SIGKILL during its step"):
        environment.step(state, [np.zeros(2, dtype=np.int64)] * 9, np.zeros((2, 0)))
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    environment.close()


@with_sumo
def test_workers_end_with_the_process_that_started_them():
    program = (
        "import os, signal, sys, numpy as np\n"
        "sys.path.insert(0, sys.argv[1])\n"
        "from test_sumo_traffic import traffic\n"
        "environment = traffic()\n"
        "environment.open(2)\n"
        "print(*environment.copies.processes, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    child = subprocess.run([sys.executable, "-c", program, str(Path(__file__).parent)], capture_output=True, text=True, check=False)
    assert child.returncode == -signal.SIGKILL, child.stderr
    pids = [int(word) for word in child.stdout.split()]
    assert len(pids) == 2
    for pid in pids:
        for _ in range(100):
            state = Path(f"/proc/{pid}/stat")
            if not state.exists() or state.read_text().rpartition(")")[2].split()[0] == "Z":
                break
            signal.sigtimedwait([], 0.1)
        else:
            raise AssertionError(f"worker {pid} is still there")


@with_sumo
def test_routes_that_sumo_refuses_are_one_line(tmp_path):
    routes = tmp_path / "bad.rou.xml"
    routes.write_text('<routes><vehicle id="a" depart="0"><route edges="nowhere"/></vehicle><trip id="b" depart="x"/></routes>')
    environment = traffic(routes=str(routes))
    with pytest.raises(SimulatorError, match=r"copy 0: its start of an episode failed: .*; try the network and the routes with SUMO"):
        environment.reset(np.array([[0.5]]))
    assert len(environment.copies) == 0


@with_sumo
def test_training_repeats_bit_for_bit():
    overrides = ["learning.iterations=2", "learning.batch=2", "learning.horizon=4", "policy.hidden=[8]"]
    experiment = load_experiment("traffic_grid", overrides)
    returns = []
    for _ in range(2):
        prepared = prepare(experiment.experiment, experiment.base)
        returns.append([record.team_return for record in InProcessNetwork(prepared.setup, prepared.environment).run(0, 2)])
        prepared.environment.close()
    assert returns[0] == returns[1]


@with_sumo
def test_a_map_of_resco_runs_with_its_own_routes():
    found = importlib.util.find_spec("sumo_rl")
    if found is None:
        pytest.skip("the maps of RESCO are in the package sumo-rl: make test-adapters")
    folder = Path(found.submodule_search_locations[0]) / "nets" / "RESCO" / "cologne8"
    environment = traffic(network=str(folder / "cologne8.net.xml"), routes=str(folder / "cologne8.rou.xml"), begin=25_200, horizon=6)
    assert environment.spec.n == 8
    try:
        returns = scripted_returns(environment, max_pressure, 1, 0)
        assert np.isfinite(returns).all()
        assert environment.observe(environment.reset(np.array([[0.5]])))[0].max() > 0.0  # there is traffic
    finally:
        environment.close()
