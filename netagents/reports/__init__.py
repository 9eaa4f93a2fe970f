"""Pictures and tables of a run."""

from netagents.reports.learning_curve import LearningProgress, learning_curve, progress
from netagents.reports.pictures import write_pictures
from netagents.reports.power_picture import power_picture
from netagents.reports.summary import byte_size, summary_rows, summary_table, summary_text

__all__ = [
    "LearningProgress",
    "byte_size",
    "learning_curve",
    "power_picture",
    "progress",
    "summary_rows",
    "summary_table",
    "summary_text",
    "write_pictures",
]
