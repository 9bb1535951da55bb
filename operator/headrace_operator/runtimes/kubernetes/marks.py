"""The annotations that keep Karpenter and the cluster autoscaler from a pod, as values. No I/O.

Whoever has written one of them into the podTemplate keeps it: what we have added is listed in an annotation of our own,
and only that is taken away again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from headrace_operator.api.names import PROTECTED_ANNOTATION

MARKS: Final[Mapping[str, str]] = {
    "karpenter.sh/do-not-disrupt": "true",
    "cluster-autoscaler.kubernetes.io/safe-to-evict": "false",
}
READ: Final = (*MARKS, PROTECTED_ANNOTATION)
"""What `change` looks at."""


def is_marked(annotations: Mapping[str, str]) -> bool:
    """Whether we have marked it."""
    return PROTECTED_ANNOTATION in annotations


def change(annotations: Mapping[str, str], wanted: bool) -> dict[str, str | None]:
    """The annotations to write (None: to remove), of a pod that has `annotations`; empty if nothing is to be done."""
    if wanted == is_marked(annotations):
        return {}
    if wanted:
        added = {name: value for name, value in MARKS.items() if name not in annotations}
        return {**added, PROTECTED_ANNOTATION: ",".join(added)}
    ours = annotations[PROTECTED_ANNOTATION].split(",")
    return {name: None for name in (*MARKS, PROTECTED_ANNOTATION) if name in (*ours, PROTECTED_ANNOTATION)}
