"""Images: from a recipe to a disk that boots, built once, checked before use, never written to."""

from harness.images.build import ensure
from harness.images.cache import BuiltImage
from harness.images.overlay import create_empty, create_overlay
from harness.images.probe_kit import ProbeKit, ensure_probe_kit
from harness.images.recipe import Recipe, load_recipe, recipes

__all__ = [
    "BuiltImage",
    "ProbeKit",
    "Recipe",
    "create_empty",
    "create_overlay",
    "ensure",
    "ensure_probe_kit",
    "load_recipe",
    "recipes",
]
