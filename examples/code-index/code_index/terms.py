"""The words that a definition is found by, and those of a query. Pure."""

from __future__ import annotations

import re

WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
STOP_WORDS = frozenset(
    {"an", "and", "as", "at", "by", "for", "from", "if", "in", "is", "it", "of", "on", "or", "the", "to"}
)


def words(text: str) -> frozenset[str]:
    """`HTTPServer.parse_url` → http, server, parse, url; words of one letter and stop words are left out."""
    found = {word.lower() for word in WORD.findall(text)}
    return frozenset(word for word in found if len(word) > 1) - STOP_WORDS
