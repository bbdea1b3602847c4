"""Several jobs: pytest-xdist's workers, with all items of a cell on one of them.

The items of a cell share its campaign. pytest-xdist's own grouping by mark (`loadgroup`, 3.8) changes node ids in a
way that pytest 9.2 does not see, so that the scope is read from the item's parameters here.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling


class CellScheduling(LoadScopeScheduling):  # type: ignore[misc]  # the package has no type marker
    """Gives a worker all items of a cell; items without a cell go one by one."""

    def __init__(self, config: pytest.Config, log: Any, cell_ids: Collection[str]) -> None:
        super().__init__(config, log)
        self._cell_ids = sorted(cell_ids, key=len, reverse=True)

    def _split_scope(self, nodeid: str) -> str:
        parameters = nodeid.partition("[")[2]
        return next((cell_id for cell_id in self._cell_ids if parameters.startswith(cell_id)), nodeid)
