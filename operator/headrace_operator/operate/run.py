"""Wires the loop to the cluster, and leads or stands by. The only place that knows all parts."""

from __future__ import annotations

import asyncio
import logging
import secrets
import signal
import time
from collections.abc import Coroutine
from typing import Any, Final

from headrace.errors import ConfigError
from headrace_operator.api.names import GROUP, PLURAL, QueueKey, worker_queues_path
from headrace_operator.cluster.api import Api, connect
from headrace_operator.cluster.errors import (
    ApiDeniedError,
    ApiError,
    ApiNotFoundError,
    ApiUnavailableError,
    NotLeadingError,
)
from headrace_operator.cluster.health import serve_health
from headrace_operator.cluster.leadership import Leadership
from headrace_operator.objects.kubernetes import KubernetesObjects, KubernetesSchedules
from headrace_operator.objects.secrets import KubernetesSecrets
from headrace_operator.operate.counts import Counts
from headrace_operator.operate.metrics import OperatorMetrics
from headrace_operator.operate.readiness import Readiness, Work
from headrace_operator.operate.settings import OperatorSettings
from headrace_operator.reconcile.addresses import SpecAddresses
from headrace_operator.reconcile.controller import Controller
from headrace_operator.reconcile.settings import ReconcileSettings
from headrace_operator.runtimes.kubernetes.runtime import KubernetesRuntime
from headrace_operator.runtimes.kubernetes.view import EVERYWHERE, View
from headrace_operator.schedules.controller import ScheduleController

log = logging.getLogger(__name__)

ACCESS_SECONDS: Final = 10.0
"""For CRD and rights that are applied together with the operator."""
SYNC_SECONDS: Final = 60.0
"""For the first list of pods and Deployments; then leading is given up, so that another may try."""


async def operate(settings: OperatorSettings) -> None:
    """Run until SIGTERM or SIGINT. Raises ConfigError."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with connect() as api:
        # A container that starts again has the name of the one before: it must not take that one's Lease for its own,
        # and need not wait for it to lapse.
        name = f"{settings.pod_name}_"
        identity = f"{name}{secrets.token_hex(4)}"
        leadership = Leadership(api, settings.pod_namespace, settings.lease_name, identity, forebears=name)
        counts = Counts()
        readiness = Readiness(leadership, counts)
        metrics = OperatorMetrics(counts, api.requests, readiness)
        async with serve_health(settings.metrics_host, settings.metrics_port, readiness.problem, metrics.render):
            await _until(stop, _serve(api, leadership, readiness, settings, counts))
            await leadership.release()


async def _serve(
    api: Api, leadership: Leadership, readiness: Readiness, settings: OperatorSettings, counts: Counts
) -> None:
    """Lead, and stand by again whenever that is lost.

    A process that ended for it would be started again by its kubelet, later and later with each outage.
    """
    await _check_access(api, settings)
    while True:
        try:
            await _lead(api, leadership, readiness, settings, counts)
        except* (NotLeadingError, TimeoutError) as lost:
            log.warning("leading no more: %s", "; ".join(str(one) or "took too long" for one in lost.exceptions))
        finally:
            readiness.work = None
            counts.forget()
        await leadership.release()


async def _lead(
    api: Api, leadership: Leadership, readiness: Readiness, settings: OperatorSettings, counts: Counts
) -> None:
    log.info("standing by for the Lease %s/%s", settings.pod_namespace, settings.lease_name)
    await leadership.acquire()
    log.info("leading; watching %s", ", ".join(settings.namespaces) or "the whole cluster")
    fenced = api.fenced(leadership.check)
    objects = KubernetesObjects(fenced, settings.namespaces, instance=settings.pod_name)

    def moved(key: QueueKey) -> None:
        controller.wake(key)

    schedules = KubernetesSchedules(fenced, settings.namespaces, instance=settings.pod_name)
    addresses = SpecAddresses(KubernetesSecrets(fenced), settings.allowed_redis_hosts)
    view = View(fenced, settings.namespaces or EVERYWHERE, moved)
    controller = Controller(
        KubernetesRuntime(fenced, view, default_image=settings.worker_image),
        objects,
        addresses,
        ReconcileSettings(cluster=settings.cluster, audit_every=settings.audit_every),
        listener=counts,
        # Redis knows nothing of leaders: one that slept through its end must not even pause a queue there.
        fence=leadership.check,
    )
    scheduler = ScheduleController(schedules, objects, addresses, fence=leadership.check)
    async with asyncio.TaskGroup() as group:
        group.create_task(leadership.keep())
        group.create_task(view.run())
        async with asyncio.timeout(SYNC_SECONDS):
            await view.wait_until_synced()
        readiness.work = Work(view, objects, schedules, controller, scheduler)
        group.create_task(objects.run())
        group.create_task(controller.run())
        group.create_task(schedules.run())
        group.create_task(scheduler.run())


async def _until(stop: asyncio.Event, work: Coroutine[Any, Any, None]) -> None:
    """Run `work` until `stop` is set; raises what it fails with."""
    async with asyncio.TaskGroup() as group:
        working = group.create_task(work)
        stopping = group.create_task(stop.wait())
        await asyncio.wait((working, stopping), return_when=asyncio.FIRST_COMPLETED)
        working.cancel()
        stopping.cancel()


async def _check_access(api: Api, settings: OperatorSettings) -> None:
    """Raise ConfigError if the CRD or a right is missing, and stays so for a while: both may be on their way.

    An API server that is away is waited for: a container that ended for that would be started again later and later.
    """
    give_up: float | None = None
    for namespace in settings.namespaces or ("",):
        while True:
            try:
                await api.get(worker_queues_path(namespace), {"limit": "1"})
                break
            except ApiUnavailableError as exc:
                log.warning("waiting for the API server: %s", exc)
                give_up = None
            except ApiError as exc:
                give_up = give_up or time.monotonic() + ACCESS_SECONDS
                if time.monotonic() > give_up:
                    raise ConfigError(_advice(exc)) from exc
            await asyncio.sleep(0.5)


def _advice(exc: ApiError) -> str:
    match exc:
        case ApiNotFoundError():
            return f"the cluster has no {PLURAL}.{GROUP}: apply crds/ first"
        case ApiDeniedError():
            return f"WATCH_NAMESPACES: {exc}"
        case _:
            return f"the cluster can't be used: {exc}"
