"""What FILE means on the command line of roles that get their experiment in an environment variable: containers do."""

from __future__ import annotations

import os
from typing import Any

PREFIX = "env:"


def experiment_source(word: str) -> str | dict[str, Any]:
    """The file as it was named or, for ``env:NAME``, the settings that stand in that variable as YAML.

    Raises:
        ExperimentError: there is no such variable, or it holds something else.
    """
    if not word.startswith(PREFIX):
        return word
    import yaml

    from netagents.errors import ExperimentError

    name = word.removeprefix(PREFIX)
    text = os.environ.get(name)
    if text is None:
        raise ExperimentError("the variable is not set", where=word, fix="write the experiment as YAML into it, or name a file")
    try:
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ExperimentError(f"is not YAML: {' '.join(str(error).split())}", where=word) from None
    if not isinstance(values, dict):
        raise ExperimentError("not a mapping of settings", where=word, fix="write lines such as 'kappa: 2'")
    return values
