"""Measures of power and of its concentration."""

from netagents.measures.power.concentration import Concentration, concentration, held_entries
from netagents.measures.power.power_matrix import PowerMatrix, assemble, assemble_reading, cannot_influence
from netagents.measures.power.reading import READING_COLUMNS, PowerReading
from netagents.measures.power.state_values import Experience
from netagents.measures.power.tabular import TabularPower

__all__ = [
    "READING_COLUMNS",
    "Concentration",
    "Experience",
    "PowerMatrix",
    "PowerReading",
    "TabularPower",
    "assemble",
    "assemble_reading",
    "cannot_influence",
    "concentration",
    "held_entries",
]
