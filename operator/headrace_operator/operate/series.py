"""What a family of metrics about one object is: its name, its labels, and how its samples are read."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")
Samples = Iterable[tuple[tuple[str, ...], float]]
"""Values of the further labels, and the sample's value."""


@dataclass(frozen=True)
class Series(Generic[T]):
    """One family of metrics about a `T`."""

    name: str
    """Without the prefix and, for a counter, without _total."""
    text: str
    read: Callable[[T], Samples]
    labels: tuple[str, ...] = ()
    """Beside namespace and name."""
