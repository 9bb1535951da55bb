from __future__ import annotations

from pathlib import Path

import pytest

from support.growing_file import whole_lines


@pytest.mark.parametrize(
    ("written", "seen"),
    [
        (None, []),
        (b"", []),
        (b'{"', []),
        (b'{"a": 1}\n', ['{"a": 1}']),
        (b"one\ntwo\nthr", ["one", "two"]),
        ("é".encode()[:1], []),
    ],
)
def test_a_line_counts_once_it_has_ended(tmp_path: Path, written: bytes | None, seen: list[str]) -> None:
    path = tmp_path / "log"
    if written is not None:
        path.write_bytes(written)
    assert whole_lines(path) == seen
