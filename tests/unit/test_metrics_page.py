"""docs/metrics.md has every metric of workers and of the operator: name, type, labels and meaning as in the code."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import pytest
from prometheus_client.core import Metric

from headrace.worker.metrics import Metrics
from headrace_operator.api.names import ScheduleKey
from headrace_operator.api.schedule_status import ScheduleStatus
from headrace_operator.cluster.tally import Tally
from headrace_operator.operate.counts import Counts
from headrace_operator.operate.metrics import OPERATOR, QUEUE, SCHEDULE, OperatorMetrics, Records
from support.pages import PAGES

TABLES = {"Of a WorkerQueue": QUEUE, "Of a Schedule": SCHEDULE, "Of the operator": OPERATOR}
"""Heading → what its names begin with."""


class Standby:
    """A process that knows nothing."""

    leading = False

    def __init__(self) -> None:
        self.records: Records = {}
        self.schedules: Mapping[ScheduleKey, ScheduleStatus] = {}

    def ages(self) -> Mapping[str, float]:
        return {}


def lines(families: Iterable[Metric]) -> list[str]:
    """As the page has them."""
    return [
        f"| `{family.name}{'_total' if family.type == 'counter' else ''}` | {family.type} "
        f"| {', '.join(f'`{label}`' for label in getattr(family, '_labelnames', ()))} | {family.documentation} |"
        for family in families
    ]


def of_operator() -> list[Metric]:
    return list(OperatorMetrics(Counts(), Tally(), Standby()).families())


def table(heading: str) -> list[str]:
    """The rows under a heading, without the table's head."""
    sections = re.split(r"^## ", PAGES["docs/metrics"].read_text(encoding="utf-8"), flags=re.MULTILINE)
    (found,) = (text for text in sections if text.startswith(f"{heading}\n"))
    return [line for line in found.splitlines() if line.startswith("| ")][2:]


def test_the_metrics_of_a_worker() -> None:
    assert table("Of a worker") == lines(Metrics().collect())


@pytest.mark.parametrize("heading", TABLES)
def test_the_metrics_of_the_operator(heading: str) -> None:
    assert table(heading) == lines(one for one in of_operator() if one.name.startswith(TABLES[heading]))


def test_no_metric_is_in_no_table() -> None:
    assert all(one.name.startswith(tuple(TABLES.values())) for one in of_operator())
