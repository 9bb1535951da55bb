"""One JSON object a line."""

from __future__ import annotations

import json
import logging

from headrace_operator.cluster.log import JsonFormatter


def test_fields_stand_beside_the_message() -> None:
    record = logging.makeLogRecord(
        {"name": "n", "levelname": "INFO", "msg": "at %s", "args": ("redis://u:secret@h",), "fields": {"idle": ("a",)}}
    )
    line = json.loads(JsonFormatter().format(record))
    assert (line["level"], line["message"], line["idle"]) == ("info", "at redis://***@h", ["a"])
