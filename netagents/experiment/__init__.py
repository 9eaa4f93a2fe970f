"""Settings: what a run is, as typed, frozen models loaded from YAML.  Nothing here builds anything."""

from netagents.experiment.experiment import Experiment, RuntimeSettings
from netagents.experiment.learning_settings import CriticSettings, LearningSettings, PowerSettings
from netagents.experiment.load import LoadedExperiment, load_experiment, packaged_directory, resolved
from netagents.experiment.origins import Origin
from netagents.experiment.timeouts import Timeouts

__all__ = [
    "CriticSettings",
    "Experiment",
    "LearningSettings",
    "LoadedExperiment",
    "Origin",
    "PowerSettings",
    "RuntimeSettings",
    "Timeouts",
    "load_experiment",
    "packaged_directory",
    "resolved",
]
