"""Simulations by SUMO: the contract, counts of its own vehicles, baselines, worker processes, and training that repeats.

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
from traffic_environments import traffic

from netagents.environments.adapters.scripted_traffic import fixed_time, max_pressure
from netagents.environments.adapters.traffic_demand import demand_file
from netagents.environments.games.scripted import scripted_returns, uniform
from netagents.errors import EnvironmentMismatchError, ForeignExitError, SimulatorError
from netagents.experiment import load_experiment
from netagents.launchers.in_process_network import InProcessNetwork
from netagents.learning.prepared_experiment import prepare
from netagents.testing import check_environment

SUMO = importlib.util.find_spec("libsumo") is not None


needs_sumo = [
    pytest.mark.skipif(not SUMO, reason="the package libsumo is missing: pip install 'netagents[sumo]', or make test-adapters"),
    pytest.mark.timeout(600),
]


def with_sumo(test):
    for mark in needs_sumo:
        test = mark(test)
    return test


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
    remaining = [line for line in text.splitlines() if "<phase" not in line or "GGgrrrGGgrrr" in line]
    own = tmp_path / "own.net.xml"
    own.write_text("\n".join(remaining))
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
    output = subprocess.run(
        [sys.executable, "-c", COUNTED, json.dumps(words), json.dumps(lanes), "90"], capture_output=True, text=True, check=True
    ).stdout
    standing, arrived = json.loads(output.partition("told")[2])
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
        "from traffic_environments import traffic\n"
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
    result = importlib.util.find_spec("sumo_rl")
    if result is None:
        pytest.skip("the maps of RESCO are in the package sumo-rl: make test-adapters")
    folder = Path(result.submodule_search_locations[0]) / "nets" / "RESCO" / "cologne8"
    environment = traffic(network=str(folder / "cologne8.net.xml"), routes=str(folder / "cologne8.rou.xml"), begin=25_200, horizon=6)
    assert environment.spec.n == 8
    try:
        returns = scripted_returns(environment, max_pressure, 1, 0)
        assert np.isfinite(returns).all()
        assert environment.observe(environment.reset(np.array([[0.5]])))[0].max() > 0.0  # there is traffic
    finally:
        environment.close()
