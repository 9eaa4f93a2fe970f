"""Measures of power and of its concentration."""

from netagents.power.concentration import Concentration, concentration, held_entries
from netagents.power.matrix import PowerMatrix, assemble, cannot_influence
from netagents.power.reading import READING_COLUMNS, PowerReading
from netagents.power.state_values import Experience
from netagents.power.tabular import TabularPower

__all__ = [
    "READING_COLUMNS",
    "Concentration",
    "Experience",
    "PowerMatrix",
    "PowerReading",
    "TabularPower",
    "assemble",
    "cannot_influence",
    "concentration",
    "held_entries",
]
