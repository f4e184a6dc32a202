"""Degradations: ways to make a clip worse by a known amount. One module a family; being here registers it.

Each keeps length, rate, alignment and level of its input, takes its randomness as an argument, and declares its unit,
default levels, neutral level and which way is harsher.
"""

from __future__ import annotations

from percept.records import Degradation
from percept.registry import Registry

DEGRADATIONS: Registry[Degradation] = Registry("degradation", __name__)
