"""Measures of power and of its concentration."""

from netagents.power.concentration import Concentration, concentration
from netagents.power.matrix import PowerMatrix, assemble, cannot_influence
from netagents.power.realized import KnownVisits, PowerReading, known_visits, power_of_member, realized_power

__all__ = [
    "Concentration",
    "KnownVisits",
    "PowerMatrix",
    "PowerReading",
    "assemble",
    "cannot_influence",
    "concentration",
    "known_visits",
    "power_of_member",
    "realized_power",
]
