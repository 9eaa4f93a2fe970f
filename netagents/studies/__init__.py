"""Many runs, one question: sweeps, the radius study, what messages are worth, sample complexity, and plans before machines are rented."""

from netagents.studies.cost_model import Cost, predict
from netagents.studies.radius_study import radius_study
from netagents.studies.study_directory import StudyDirectory
from netagents.studies.study_runs import carry_out
from netagents.studies.study_specification import Study, StudySetting, mute_study, sweep_study

__all__ = ["Cost", "Study", "StudyDirectory", "StudySetting", "carry_out", "mute_study", "predict", "radius_study", "sweep_study"]
