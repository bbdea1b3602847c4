"""Finds every member of a folder (device sets, methods, report formats) by name, and rejects twins.

Adding a member is adding a file: nothing else names it.
"""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from collections.abc import Iterable, Iterator, Mapping
from types import ModuleType
from typing import Protocol, TypeVar

from harness.errors import ConfigError, HarnessError


class TwinError(HarnessError):
    """Two members of a folder have the same name: a mistake in the harness, not in its use."""

    def __init__(self, name: str, first: str, second: str) -> None:
        super().__init__(f"{first} and {second} both define '{name}'\n  rename one of them")
        self.name, self.first, self.second = name, first, second


class Named(Protocol):
    """Anything that a family lists: it has a name."""

    @property
    def name(self) -> str: ...


NamedT = TypeVar("NamedT", bound=Named)
MemberT = TypeVar("MemberT")


def members(package: ModuleType | str) -> dict[str, ModuleType]:
    """Import every module of `package` that has a `NAME`; by that name, sorted.

    Modules whose file name starts with `_`, and those without `NAME`, are no members. Raises TwinError.
    """
    found: dict[str, ModuleType] = {}
    for module in _modules(package):
        name = getattr(module, "NAME", None)
        if name is None:
            continue
        if name in found:
            raise TwinError(name, _file(found[name]), _file(module))
        found[name] = module
    return dict(sorted(found.items()))


def collect(package: ModuleType | str, attribute: str, kind: type[NamedT]) -> dict[str, NamedT]:
    """The objects that the modules of `package` list in `attribute`, each a `kind`; by their name, in the files' order.

    A module may list several (a family) or not have the attribute at all. Raises TwinError.
    """
    found: dict[str, NamedT] = {}
    homes: dict[str, ModuleType] = {}
    for module in _modules(package):
        for item in getattr(module, attribute, ()):
            if not isinstance(item, kind):
                raise TypeError(f"{_file(module)}: {attribute} holds {item!r}, which is no {kind.__name__}")
            if item.name in found:
                raise TwinError(item.name, _file(homes[item.name]), _file(module))
            found[item.name], homes[item.name] = item, module
    return found


def lookup(members: Mapping[str, MemberT], name: str, kind: str) -> MemberT:
    """The member called `name`; `kind` is what people call it, e.g. "device set". Raises ConfigError."""
    try:
        return members[name]
    except KeyError:
        raise ConfigError(unknown(name, kind, members)) from None


def unknown(name: str, kind: str, known: Iterable[str]) -> str:
    """The message about a name that nothing has: what there is, and what was probably meant.

    >>> unknown("virtio-nte", "device set", ["nvme", "virtio-net"])
    "unknown device set 'virtio-nte'; known: nvme, virtio-net; did you mean virtio-net?"
    """
    names = list(known)
    close = difflib.get_close_matches(name, names, n=1)
    guess = f"; did you mean {close[0]}?" if close else ""
    return f"unknown {kind} '{name}'; known: {', '.join(names) or 'none'}{guess}"


def _modules(package: ModuleType | str) -> Iterator[ModuleType]:
    package = importlib.import_module(package) if isinstance(package, str) else package
    for info in sorted(pkgutil.iter_modules(package.__path__), key=lambda info: info.name):
        if not info.name.startswith("_"):
            yield importlib.import_module(f"{package.__name__}.{info.name}")


def _file(module: ModuleType) -> str:
    return module.__file__ or module.__name__
