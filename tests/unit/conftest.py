"""Trees in memory, with ids as exact as Git's."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest
from trees_for_tests import MemoryTree

from pave.model.tree import Tree


@pytest.fixture
def tree_of() -> Callable[[Mapping[str, bytes | str]], Tree]:
    return MemoryTree
