"""Settings and the matrix: what is to run, where each value came from, and clear words for what is wrong with it."""

from harness.config.cells import Excluded, Expansion, Known, every_cell, expand, selections_with
from harness.config.matrix import Matrix, read_matrix
from harness.config.settings import Settings, Sources, resolve
from harness.config.table import DIMENSIONS, SETTINGS, Definition

__all__ = [
    "DIMENSIONS",
    "SETTINGS",
    "Definition",
    "Excluded",
    "Expansion",
    "Known",
    "Matrix",
    "Settings",
    "Sources",
    "every_cell",
    "expand",
    "read_matrix",
    "resolve",
    "selections_with",
]
