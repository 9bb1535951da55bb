"""The one error of the benchmark."""

from __future__ import annotations


class BenchError(Exception):
    """Something can't be measured; the message is one line for the person who ran it."""
