"""Welcome of the server: the whole setup of a run as a message; or the text of a refusal."""

from __future__ import annotations

import json
from collections.abc import Mapping

from netagents.environments.networked_mdp import EnvironmentSpec
from netagents.environments.specification_json import spec_from_json
from netagents.errors import NetagentsError, ProtocolError
from netagents.experiment import Experiment
from netagents.learning import Setup, make_setup
from netagents.messages import Welcome
from netagents.topology.topology_json import topology_from_json, topology_to_json

REFUSED = "refused: "
"""Beginning of the reason in a Stop for a node that does not belong to the run."""


def write_welcome(setup: Setup, spec_text: str, peers: Mapping[int, str]) -> Welcome:
    """The Welcome for a node that needs ``peers``."""
    return Welcome(setup.experiment.model_dump_json(), topology_to_json(setup.topology), spec_text, dict(peers))


def read_welcome(welcome: Welcome) -> Setup:
    """The setup that a Welcome describes, before anything that it names is imported; see :func:`netagents.learning.with_imports`.

    Raises:
        ProtocolError: it cannot be read.
    """
    try:
        experiment = Experiment.model_validate_json(welcome.experiment)
        topology = topology_from_json(welcome.topology)
        spec: EnvironmentSpec = spec_from_json(json.loads(welcome.spec))
        return make_setup(experiment, topology, spec, imports=False)
    except (NetagentsError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ProtocolError(f"the server's welcome cannot be read: {error}", fix="run the same version of netagents everywhere") from error
