"""Ports that a test run has for itself, whoever else runs tests on this machine."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing

import pytest

from lanes.split import ROOT
from support.ports import BLOCK, FIRST, Block, free_ports

OTHER = "from support.ports import free_ports; print(*free_ports(1), flush=True); input()"


@pytest.fixture
def block() -> Iterator[Block]:
    with closing(Block()) as made:
        yield made


def test_two_blocks_have_no_port_in_common(block: Block) -> None:
    with closing(Block()) as other:
        assert not set(block.give(50)) & set(other.give(50))


def test_another_process_has_a_block_of_its_own_until_it_ends(monkeypatch: pytest.MonkeyPatch, block: Block) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", OTHER], cwd=ROOT / "tests", stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        held = (int(other.stdout.readline()) - FIRST) // BLOCK
        ours = [(port - FIRST) // BLOCK for port in (*free_ports(1), *block.give(1))]
        assert held not in ours
        only = FIRST + held * BLOCK
        monkeypatch.setattr("support.ports.FIRST", only)
        monkeypatch.setattr("support.ports.LAST", only + BLOCK)
        with pytest.raises(RuntimeError, match="all ports that tests may use are claimed"):
            Block()
        other.kill()
    with closing(Block()) as taken:
        assert taken.give(1) == [only]


def test_a_block_s_ports_are_given_in_turn_and_never_one_that_somebody_listens_on(block: Block) -> None:
    first, *more = block.give(50)
    assert len({first, *more}) == 50
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", first))
        assert first not in [port for _ in range(BLOCK) for port in block.give(1)]
    assert first in [port for _ in range(BLOCK) for port in block.give(1)]


def test_more_ports_than_there_are_is_an_error(block: Block) -> None:
    with pytest.raises(RuntimeError, match=f"fewer than {BLOCK + 1} of this process's {BLOCK} ports are free"):
        block.give(BLOCK + 1)
