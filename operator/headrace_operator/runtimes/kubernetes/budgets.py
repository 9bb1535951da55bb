"""Keeps each WorkerQueue's PodDisruptionBudget: makes it, mends it, takes it away. Touches none that isn't ours."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any, Final

from headrace_operator.api.names import QUEUE_LABEL, QueueKey
from headrace_operator.cluster.api import Api
from headrace_operator.cluster.errors import ApiConflictError, ApiDeniedError, ApiNotFoundError
from headrace_operator.cluster.reflector import Reflector
from headrace_operator.runtimes.kubernetes.budget import budget, correction
from headrace_operator.runtimes.kubernetes.ownership import owner_uid
from headrace_operator.runtimes.kubernetes.view import View
from headrace_operator.seams.errors import RuntimeUnavailableError

Json = dict[str, Any]
OFF: Final = "spec.disruption.podDisruptionBudget: false"
AGAIN_SECONDS: Final = 30.0
"""How long one that could not be made is not asked for again: looks come several times a second."""
ATTEMPTS: Final = 5


class Budgets:
    """A look costs no request while all is as wanted."""

    def __init__(self, api: Api, view: View) -> None:
        self._api, self._view = api, view
        self._refused: dict[QueueKey, tuple[float, str]] = {}
        """When one could not be made, on the monotonic clock, and why."""

    async def keep(self, key: QueueKey, most: int | str | None) -> None:
        """The budget of `key` lets `most` go; None: there is none. Raises ApiErrors and RuntimeUnavailableError."""
        known = self._view.budgets(key.namespace)
        found = known.get(key.namespace, key.name)
        if most is None:
            if found is not None:
                await self._remove(key, known, found)
        elif found is None:
            await self._create(key, known, most)
        else:
            await self._correct(key, known, found, most)

    async def _correct(self, key: QueueKey, known: Reflector, found: Json, most: int | str) -> None:
        """Kubernetes' own controller writes what it counts into the status, so a budget changes while it is changed."""
        path = _path(key)
        try:
            for _ in range(ATTEMPTS):
                if (patch := correction(found, key, most)) is None:
                    return
                try:
                    known.note(await self._api.patch(path, patch))
                    return
                except ApiConflictError:
                    found = await self._api.get(path)
                    if QUEUE_LABEL not in (found["metadata"].get("labels") or {}):
                        raise RuntimeUnavailableError(_conflict(key)) from None
        except ApiNotFoundError:
            known.forget(found)
            return
        raise RuntimeUnavailableError(
            f"the PodDisruptionBudget {key.name} changed {ATTEMPTS} times while it was changed"
        )

    async def _create(self, key: QueueKey, known: Reflector, most: int | str) -> None:
        refused, why = self._refused.get(key, (None, ""))
        if refused is not None and time.monotonic() - refused < AGAIN_SECONDS:
            raise RuntimeUnavailableError(why)
        owner = await owner_uid(self._api, key)
        try:
            made = await self._api.create(_path(key, of_all=True), budget(key, owner, most))
        except (ApiConflictError, ApiDeniedError) as exc:
            why = _conflict(key) if isinstance(exc, ApiConflictError) else str(exc)
            self._refused[key] = time.monotonic(), why
            raise RuntimeUnavailableError(why) from exc
        self._refused.pop(key, None)
        known.note(made)

    async def _remove(self, key: QueueKey, known: Reflector, found: Json) -> None:
        options = {"preconditions": {"uid": found["metadata"]["uid"]}}
        with suppress(ApiNotFoundError, ApiConflictError):  # gone, or another of that name by now
            await self._api.delete(_path(key), options)
        known.forget(found)


def _conflict(key: QueueKey) -> str:
    """Ours, and the watch has yet to tell; or somebody's, and it never will."""
    return f"there is a PodDisruptionBudget {key.name} already; if it is yours, rename it or say {OFF}"


def _path(key: QueueKey, *, of_all: bool = False) -> str:
    path = f"/apis/policy/v1/namespaces/{key.namespace}/poddisruptionbudgets"
    return path if of_all else f"{path}/{key.name}"
