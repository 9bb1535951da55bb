"""The faults by name: how to break it here, and what people must be told meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from headrace_operator.core.observation import Unknown
from operator_faults import breaks, outages
from operator_faults.ground import Break
from operator_faults.site import Site
from operator_faults.trial import RECOVERY_SECONDS, Fleet, Trial, Verdict


@dataclass(frozen=True)
class Fault:
    """Something that breaks between operator, API server and Redis."""

    name: str
    make: Callable[[Site], Break]
    says: Unknown | None = None
    """Why RedisAvailable is False meanwhile; None where Redis can be read, or nobody is there to say anything."""
    takes_jobs: bool = True
    """Jobs can be enqueued meanwhile."""
    lasts: bool = True
    """There is a time until it is healed; else it is a blow."""


CATALOGUE = {
    fault.name: fault
    for fault in (
        Fault("dns-unknown", breaks.NameUnknown, Unknown.NAME_NOT_RESOLVED),
        Fault("dns-silent", breaks.NameServerSilent, Unknown.NAME_NOT_RESOLVED),
        Fault("wrong-password", breaks.WrongPassword, Unknown.ACCESS_DENIED),
        Fault("redis-frozen", breaks.Unanswered, Unknown.TIMED_OUT, takes_jobs=False),
        Fault("redis-refused", breaks.Refused, Unknown.UNREACHABLE, takes_jobs=False),
        Fault("redis-failover", breaks.Failover, Unknown.NOT_SERVING, takes_jobs=False),
        Fault("wrong-type", breaks.WrongType, Unknown.WRONG_DATA),
        Fault("api-frozen", outages.ApiServerFrozen),
        Fault("api-down", outages.ApiServerDown),
        Fault("leader-killed", outages.LeaderKilled, lasts=False),
        Fault("operators-killed", outages.AllOperatorsKilled, lasts=False),
        Fault("leader-frozen", outages.LeaderFrozen),
    )
}


async def try_here(
    fault: Fault, fleet: Fleet, site: Site, *, outage: float, limit: float = RECOVERY_SECONDS
) -> Verdict:
    """One trial on this machine; `outage` and `limit` are seconds."""
    broken = fault.make(site)
    lasting = outage if fault.lasts else 0.0
    try:
        return await Trial(fault.name, broken, site, fault.says, fault.takes_jobs, lasting, limit).run(fleet)
    finally:
        await site.restore()
        for pod in site.pods:
            pod.forgive()
