"""kexec-harness images: which there are, and building them."""

from __future__ import annotations

import click

from harness import images
from harness.cli.options import as_json, print_json, say, with_settings
from harness.clock import HostClock
from harness.config import Settings, expand, read_matrix
from harness.lab import Lab, known_names
from harness.model import is_disk_file
from harness.registry import lookup

NAME = "images"


@click.group()
def images_group() -> None:
    """Images: which there are, and building them."""


@images_group.command("list")
@with_settings("images_dir")
@as_json
def images_list(settings: Settings, as_json: bool) -> None:
    """Every image that there is a recipe for."""
    recipes = images.recipes(settings.images_dir)
    if as_json:
        print_json(recipes.values())
        return
    for recipe in recipes.values():
        click.echo(f"{recipe.name:16}  {recipe.summary}")


@images_group.command("build")
@click.argument("names", nargs=-1)
@with_settings("mirror", "select", "matrix", "images_dir", "cache_dir")
@as_json
def images_build(settings: Settings, names: tuple[str, ...], as_json: bool) -> None:
    """Build the images NAMES that are not built yet, or those of a selection; all of them if none is named.

    A name may be the path of a disk image, which is prepared.
    """
    recipes = images.recipes(settings.images_dir)
    if settings.select and not names:
        cells = expand(read_matrix(settings.matrix), settings, known_names(settings)).cells
        names = tuple(dict.fromkeys(cell.image for cell in cells))
    for name in names:
        if not is_disk_file(name):
            lookup(recipes, name, "image")
    lab = Lab(settings, HostClock(), say)
    for name in names or recipes:
        image = lab.image(name)
        if as_json:
            print_json([image])
        else:
            click.echo(f"{image.name:16}  {image.kernel_release}  {image.disk}")


COMMAND = images_group
