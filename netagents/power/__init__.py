"""Measures of power and of its concentration."""

from netagents.power.concentration import Concentration, concentration
from netagents.power.matrix import PowerMatrix, assemble, cannot_influence
from netagents.power.realized import PowerReading, realized_power

__all__ = ["Concentration", "PowerMatrix", "PowerReading", "assemble", "cannot_influence", "concentration", "realized_power"]
