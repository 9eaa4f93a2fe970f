"""What a run IS: typed, frozen settings loaded from YAML; nothing here builds anything."""

from netagents.experiment.experiment import Experiment, RuntimeSettings
from netagents.experiment.learning import CriticSettings, LearningSettings, PowerSettings
from netagents.experiment.timeouts import Timeouts

__all__ = ["CriticSettings", "Experiment", "LearningSettings", "PowerSettings", "RuntimeSettings", "Timeouts"]
