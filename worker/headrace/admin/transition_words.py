"""Says in words what has happened to a job. Pure."""

from __future__ import annotations

from typing import assert_never

from headrace.contract.trail import Happened, Transition


def describe(transition: Transition) -> str:
    """As the end of a line that begins with its time."""
    by = f" on {transition.worker}" if transition.worker else ""
    kind = f": {transition.error}" if transition.error else ""
    match transition.what:
        case Happened.FAILED:
            said = f"failed attempt {transition.times}{by}{kind}"
        case Happened.LATER:
            said = f"asked to run again later{by}{kind}"
        case Happened.RETURNED:
            said = f"failed in a version on trial{by}, nothing charged{kind}"
        case Happened.RELEASED:
            said = f"given back by {transition.worker or 'its worker'}"
        case Happened.LEFT:
            said = f"given back: {transition.worker or 'its worker'} left"
        case Happened.LOST:
            which = f", crash {transition.times}" if transition.times else ", nothing charged"
            said = f"its worker{f' {transition.worker}' if transition.worker else ''} died{which}"
        case Happened.CANCELLING:
            said = "cancellation asked for while it ran"
        case Happened.DEAD:
            said = f"died{by} after {transition.times} failed attempt{'' if transition.times == 1 else 's'}{kind}"
        case Happened.REPLAYED:
            said = f"replayed, time {transition.times}"
        case _:
            assert_never(transition.what)
    return said
