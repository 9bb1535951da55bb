"""The operator's log: one JSON object a line on stderr, without credentials."""

from __future__ import annotations

import json
import logging
import sys
import traceback
from datetime import UTC, datetime

from headrace_operator.api.redact import redact


class JsonFormatter(logging.Formatter):
    """Time, level, logger, message, what `extra={"fields": …}` adds, and the traceback if there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """One line; the credentials of every URL in it are replaced."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": redact(record.getMessage()),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["traceback"] = redact("".join(traceback.format_exception(*record.exc_info)))
        return json.dumps(line, ensure_ascii=False)


def start_log(level: str) -> None:
    """Send everything from `level` up to stderr; of foreign libraries, warnings only."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    logging.root.handlers[:] = [handler]
    logging.root.setLevel(logging.WARNING)
    logging.getLogger("headrace_operator").setLevel(level.upper())
    for noisy in ("asyncio", "aiohttp", "kopf"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    # How it ends is said in one line by whoever begins it anew.
    for part in ("running", "orchestration"):
        logging.getLogger(f"kopf._core.reactor.{part}").setLevel(logging.CRITICAL)
