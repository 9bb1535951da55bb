"""Prints the story: what happens, when, and why. Decides nothing."""

from __future__ import annotations

import time


class Narrator:
    """Seconds since the start in front of each line."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    @property
    def seconds(self) -> float:
        """Since the start."""
        return time.monotonic() - self._began

    def step(self, text: str) -> None:
        """A new step of the story."""
        self._print(f"\n{self.seconds:6.1f}  {text}")

    def tell(self, text: str) -> None:
        """What comes of it."""
        self._print(f"{self.seconds:6.1f}    {text}")

    def quote(self, text: str) -> None:
        """What a program said."""
        for line in text.strip().splitlines():
            self._print(f"          | {line}")

    @staticmethod
    def _print(text: str) -> None:
        print(text, flush=True)
