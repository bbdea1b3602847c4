"""Images: from a recipe to a disk that boots, built once, checked before use, never written to."""

from harness.images.build import ensure
from harness.images.cache import BuiltImage
from harness.images.disk_file import inspect
from harness.images.fetch import fetch
from harness.images.overlay import create_empty, create_overlay
from harness.images.own_disk import ensure_prepared, recipe_of_file
from harness.images.probe_kit import ProbeKit, ensure_probe_kit
from harness.images.recipe import DiskRecipe, Recipe, load_recipe, recipes

__all__ = [
    "BuiltImage",
    "DiskRecipe",
    "ProbeKit",
    "Recipe",
    "create_empty",
    "create_overlay",
    "ensure",
    "ensure_prepared",
    "ensure_probe_kit",
    "fetch",
    "inspect",
    "load_recipe",
    "recipe_of_file",
    "recipes",
]
