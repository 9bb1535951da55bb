"""All books of a simulated year: hands each what is about it, watches the queue's clock, and adds up what they found.

Who fires is told apart from who judges: nothing in here or in the books is headrace's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from soak.schedule_book import Book
from soak.schedule_rules import Fate, Mistake
from support.operator_diary import Answer, Ending, Look, Record, Turn

_MOVES = ("enqueued", "replaced", "skipped")


class Ledger:
    """Reads a Diary as it is written."""

    def __init__(self, books: Mapping[str, Book]) -> None:
        self.books = books
        self.turns: Counter[Turn] = Counter()
        self._own: list[tuple[Mistake, str]] = []
        self._highest = 0
        """That the queue's clock has said."""
        self._floor = 0
        """The same by an answer to something that was done: it holds for ever."""

    def looked(self, uid: str, look: Look) -> None:
        """See Reader; so are those that follow."""
        self.books[uid].looked(look)

    def called(self, uid: str, look: Look, name: str, told_ms: int, answer: Answer) -> None:
        self.clock(told_ms, answer.record.now_ms, done=answer.fate in _MOVES)
        self.books[uid].called(look, name, answer)

    def ended(self, uid: str, look: Look, how: Ending, at_ms: int) -> None:
        self.books[uid].ended(look, how, at_ms)

    def turned(self, job: str, turn: Turn) -> None:
        self.turns[turn] += 1
        book = self.books.get(job.rpartition(":")[0])
        if book is None:
            self._own.append((Mistake.STRANGER, f"job {job} is of no Schedule"))
        else:
            book.turned(job, turn)

    def clock(self, told_ms: int, now_ms: int, *, done: bool) -> None:
        """The queue's clock is Redis's, and never goes back behind what was done; it may stand where it has been."""
        if not max(told_ms, self._floor) <= now_ms <= max(told_ms, self._highest) + 1:
            self._own.append((Mistake.CLOCK, f"told {told_ms}, after {self._floor}, the queue says {now_ms}"))
        self._highest = max(self._highest, now_ms)
        if done:
            self._floor = now_ms

    def forgotten(self, uid: str, found: Record, at_ms: int) -> None:
        self.books[uid].forgotten(found, at_ms)

    def close(self, found: Mapping[str, Record], at_ms: int) -> None:
        """The end of the year; `found`: of those that have not gone."""
        for uid, book in self.books.items():
            book.close(found.get(uid, Record(0)), at_ms)

    @property
    def mistakes(self) -> list[tuple[Mistake, str]]:
        """All, in words too."""
        return [*self._own, *(one for book in self.books.values() for one in book.mistakes)]

    @property
    def fates(self) -> Counter[Fate]:
        """How many ticks came to what."""
        return Counter(self._fates())

    @property
    def called_off(self) -> int:
        """Jobs."""
        return sum(book.called_off for book in self.books.values())

    def _fates(self) -> Iterator[Fate]:
        for book in self.books.values():
            yield from book.fates.values()
