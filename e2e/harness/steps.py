"""What a slow suite does right now, and how long it took: a line per step on the terminal."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class Steps:
    """`with steps("drain a node"):` writes that and the seconds it took."""

    write: Callable[[str], None]

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Measures the block; a block that raises has its line too."""
        began = time.monotonic()
        try:
            yield
        finally:
            self.write(f"  {name}: {time.monotonic() - began:.1f} s")
