"""Handlers whose jobs travel as protobuf, with classes that come with the package."""

from __future__ import annotations

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from headrace import Depends, Fleet
from support.apps.journal import note, recorded

fleet = Fleet(codec="protobuf")
jobs = fleet.queue("jobs")


def unit() -> str:
    return "s"


@jobs.task(max_retries=0)
async def at(time: Timestamp) -> None:
    with recorded():
        note("at", seconds=time.seconds, kind=type(time).__name__)


@jobs.task(process=True)
def lasting(*, length: Duration, unit: str = Depends(unit)) -> None:
    with recorded():
        note("lasting", seconds=length.seconds, unit=unit)
