"""Settings and the matrix: what is to run, where each value came from, and clear words for what is wrong with it."""

from harness.config.settings import Settings, Sources, resolve
from harness.config.table import DIMENSIONS, SETTINGS, Definition

__all__ = ["DIMENSIONS", "SETTINGS", "Definition", "Settings", "Sources", "resolve"]
