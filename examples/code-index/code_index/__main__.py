"""`python -m code_index search "parse url" --limit 5` and `… stats` answer from the index at REDIS_URL."""

from __future__ import annotations

import argparse
import sys

import redis

from code_index.search import Hit, search, totals
from code_index.store import Store, connect


def main() -> int:
    """Run one command: 0 when it answered, 1 when nothing was found, 2 for a wrong argument or no Redis."""
    parser = argparse.ArgumentParser(prog="code_index", description="Search the indexed Python source.")
    commands = parser.add_subparsers(dest="command", required=True)
    find = commands.add_parser("search", help="the definitions that match best")
    find.add_argument("query", help='words, or an identifier: "parse url", parse_url')
    find.add_argument("--limit", type=int, default=10, help="how many at most (10)")
    commands.add_parser("stats", help="what the index holds")
    arguments = parser.parse_args()
    try:
        store = connect()
        if arguments.command == "search":
            return print_hits(search(store, arguments.query, limit=arguments.limit))
        return print_totals(store)
    except (redis.RedisError, ValueError) as exc:
        print(f"code_index: can't read the index at REDIS_URL: {exc}", file=sys.stderr)
        return 2


def print_hits(hits: list[Hit]) -> int:
    """Two lines a hit: what it is, then where."""
    for hit in hits:
        found = hit.definition
        doc = f"  {found.doc}" if found.doc else ""
        print(f"{found.kind} {hit.module}.{found.name}{doc}\n    {hit.path}:{found.line}")
    if not hits:
        print("nothing found", file=sys.stderr)
    return 0 if hits else 1


def print_totals(store: Store) -> int:
    """The totals, then a line for each file that can't be parsed."""
    found = totals(store)
    print(f"{found.files} files ({len(found.unparsable)} unparsable), {found.definitions} definitions")
    print(f"{found.postings} postings")
    for path, error in sorted(found.unparsable.items()):
        print(f"    {path}: {error}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
