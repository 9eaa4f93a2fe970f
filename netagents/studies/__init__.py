"""Many runs, one question: sweeps, the radius study, what messages are worth, sample complexity, and plans before machines are rented."""

from netagents.studies.cost import Cost, predict
from netagents.studies.directory import StudyDirectory
from netagents.studies.execute import carry_out
from netagents.studies.specification import Setting, Study, mute_study, radius_study, sweep_study

__all__ = ["Cost", "Setting", "Study", "StudyDirectory", "carry_out", "mute_study", "predict", "radius_study", "sweep_study"]
