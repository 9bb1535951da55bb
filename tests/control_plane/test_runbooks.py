"""The commands of the runbooks on a real API server, with a fleet at work; `headrace` ones are the pages' matter."""

from __future__ import annotations

import re
import shlex

from support.kube_client import until
from support.kubectl import KubectlFailed
from support.live_fleet import QUEUE, LiveFleet, StartFleet, scaling
from support.pages import PAGES

UNKNOWN_TO_KUBECTL = re.compile(r"unknown|invalid|doesn't have a resource type|must (specify|be)", re.IGNORECASE)
OTHERS = {"exec"}
"""Needs a container; what is run in it is understood, says another test."""


def commands() -> list[str]:
    """Every call of kubectl below "Alerts", up to a pipe."""
    text = PAGES["docs/operations"].read_text(encoding="utf-8")
    alerts = text[text.index("\n## Alerts\n") : text.index("\n## Uninstall\n")]
    return [line.partition(" | ")[0] for line in re.findall(r"^\$ kubectl (.+)$", alerts, re.MULTILINE)]


def here(command: str, namespace: str) -> list[str]:
    """Its words, for the one namespace and the queue of the test."""
    moved = re.sub(r"(?<=-n )(headrace|mail)\b|(?<=serviceaccount:)headrace\b", namespace, command)
    return shlex.split(re.sub(r"\bemails\b", QUEUE, moved))


async def test_commands_of_runbooks_do_what_they_are_for(start_fleet: StartFleet) -> None:
    async with start_fleet() as fleet:
        await fleet.kube.apply(fleet.manifest(scaling=scaling(minReplicas=1)), fleet.schedule("@daily"))
        await until(lambda: fleet.pods.names)
        listed = [words for words in (here(one, fleet.kube.namespace) for one in commands()) if words[2] not in OTHERS]
        assert len(listed) > 25
        for words in listed:
            await check(fleet, words)


async def check(fleet: LiveFleet, words: list[str]) -> None:
    """It is a command, and where something must be there it shows that."""
    if "logs" in words:  # there is no kubelet to ask
        assert not UNKNOWN_TO_KUBECTL.search(await complaint(fleet, words)), words
    elif "can-i" in words:
        assert (await fleet.kube.do(*words)).strip() == "yes", words
    elif shows_something(words):
        await until(lambda: fleet.kube.do(*words))
    else:
        await fleet.kube.do(*words)


async def complaint(fleet: LiveFleet, words: list[str]) -> str:
    """What kubectl has against it."""
    try:
        await fleet.kube.do(*words)
    except KubectlFailed as failed:
        return str(failed).rpartition(": ")[2]
    return ""


def shows_something(words: list[str]) -> bool:
    """The other objects, and the messages of conditions, are there only when something is wrong."""
    text = " ".join(words)
    return f"headrace.dev/queue={QUEUE}" in text or (
        ("get" in words or "describe" in words) and bool({QUEUE, "nightly"} & {*words}) and "conditions" not in text
    )
