"""Puts the figures of results.json into docs/performance.md, between markers; a test holds the two together.

    <!-- figures: NAME -->
    …
    <!-- end -->

`python -m benchmarks.document` does it by hand; a run that writes benchmarks/results.json does it by itself.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from typing import Final

from benchmarks import profile_record, results
from benchmarks.catalogue import HERE
from benchmarks.failures import BenchError
from benchmarks.results import Results
from benchmarks.tables import all_tables

DOCUMENT: Final = HERE.parent / "docs" / "performance.md"
BLOCK: Final = re.compile(r"<!-- figures: (?P<name>[a-z-]+) -->\n.*?<!-- end -->", re.DOTALL)


def blocks(found: Results, profile: profile_record.Profile | None) -> dict[str, list[str]]:
    """The lines of each block that the figures can fill."""
    filled = {table.name: table.markdown() for table in all_tables(found)}
    filled["machine"] = [_machine(found)]
    if profile is not None:
        filled |= {table.name: table.markdown() for table in profile_record.tables(profile)}
    return filled


def fill(text: str, filled: Mapping[str, list[str]]) -> str:
    """`text` with its blocks filled anew. Raises BenchError for a block that nothing fills."""

    def block(match: re.Match[str]) -> str:
        name = match["name"]
        if name not in filled:
            raise BenchError(f"{DOCUMENT.name} has a block {name!r} that no figures fill")
        return "\n".join((f"<!-- figures: {name} -->", *filled[name], "<!-- end -->"))

    return BLOCK.sub(block, text)


def write() -> None:
    """Fill the document from the committed records. Raises BenchError."""
    filled = blocks(results.read(results.FILE), profile_record.read(profile_record.FILE))
    DOCUMENT.write_text(fill(DOCUMENT.read_text(), filled))


def _machine(found: Results) -> str:
    machine = found.machine
    told = [
        f"{machine['cores']} cores ({machine['cpu']}), {machine['memory_gb']:.0f} GB, {machine['system']}",
        f"{machine['server']} on the same machine, Python {machine['python']}",
        f"an fsync of its disk takes {machine['fsync_ms']:.2f} ms",
        f"load when the run began {machine['load']:.1f}",
        f"{machine['repeats']} repeats",
        str(machine["date"]),
    ]
    missing = [f"Not measured: {lost.engine} ({lost.why})." for lost in found.missing]
    return " ".join(["; ".join(told) + ".", *missing])


if __name__ == "__main__":
    try:
        write()
    except (BenchError, OSError) as error:
        sys.exit(f"bench: {error}")
