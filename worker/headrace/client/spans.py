"""What tracing does at the turns that headrace knows of; implemented by headrace.tracing, and by nothing without it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from headrace.context import Context


class Sent(Protocol):
    """An enqueue under way."""

    @property
    def carrier(self) -> Mapping[str, str]:
        """Goes into the jobs' metadata."""

    def jobs(self, ids: Sequence[str]) -> None:
        """The ids that the jobs have got."""


class Tracing(Protocol):
    """Set as `fleet.tracing`."""

    def sending(self, queue: str, task: str) -> AbstractContextManager[Sent]:
        """Around an enqueue."""

    def attached(self, context: Context) -> AbstractContextManager[None]:
        """In a child process, around its handler: what it traces belongs to the run."""
