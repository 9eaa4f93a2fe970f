"""Traffic environments for tests: an experiment with SUMO, and the environment that it describes."""

from __future__ import annotations

from netagents.environments import build_environment
from netagents.environments.adapters.sumo_traffic import SumoTraffic
from netagents.experiment import load_experiment
from netagents.topology import build_topology


def loaded(**settings):
    network = settings.get("network", "traffic_grid")
    arguments = {
        "environment": {"kind": "sumo", "network": network, **settings},
        "topology": {"kind": "file", "path": f"{network}" if "/" in str(network) else f"{network}.net.xml"},
        "policy": {"kind": "mlp"},
        "learning": {"algorithm": {"kind": "ppo"}},
    }
    return load_experiment(arguments)


def traffic(**settings) -> SumoTraffic:
    experiment = loaded(**settings).experiment
    return build_environment(experiment.environment, build_topology(experiment.topology))
