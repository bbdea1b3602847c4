"""Images: from a recipe to a disk that boots, built once, checked before use, never written to."""

from harness.images.build import ensure
from harness.images.cache import BuiltImage
from harness.images.overlay import create_overlay
from harness.images.recipe import Recipe, load_recipe, recipes

__all__ = ["BuiltImage", "Recipe", "create_overlay", "ensure", "load_recipe", "recipes"]
