"""What the exit codes of every verb mean: one table, in docs/cli.md too."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """The codes that `headrace` and its verbs return."""

    DONE = 0
    FAILED = 1
    """It could not be done now, or what was looked at is not as it should be."""
    MISTAKE = 2
    """The command line, a setting or a name is wrong; the same line again will not do either."""
    SKEW = 3
    """`headrace worker` only: this release can't work beside those that are on its queues."""
    INTERRUPTED = 130
    """Ctrl-C, or a question answered with no."""
