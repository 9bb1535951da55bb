"""`plot.py results.json results.svg`: medians as bars, all repeats as dots. Runs in an environment with matplotlib."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from statistics import median
from typing import Any

import matplotlib as mpl

mpl.use("svg")
mpl.rcParams["svg.hashsalt"] = "headrace"  # the same figures make the same file

from matplotlib import pyplot  # noqa: E402 - after the choice of the backend

OURS = "#1f6f8b"
CEILING = "#a9c5cf"
PEER = "#9a9a9a"


def colour(engine: str) -> str:
    """Ours, its ceiling, or a peer."""
    return {"headrace": OURS, "headrace-ceiling": CEILING}.get(engine, PEER)


def draw(axes: Any, runs: list[dict[str, Any]], concurrency: int) -> None:
    """One panel."""
    shown = sorted((run for run in runs if run["concurrency"] == concurrency), key=lambda r: median(r["consume_per_s"]))
    for place, run in enumerate(shown):
        rates = run["consume_per_s"]
        axes.barh(place, median(rates), color=colour(run["engine"]), height=0.62)
        axes.plot(rates, [place] * len(rates), ".", color="black", markersize=3)
        axes.annotate(f" {median(rates):,.0f}", (max(rates), place), va="center", fontsize=9)
    axes.set_yticks(range(len(shown)), [f"{run['engine']} {run['version']}" for run in shown])
    axes.set_title(f"no-op jobs per second, one process, concurrency {concurrency}", fontsize=10, loc="left")
    axes.set_xlim(0, max(max(run["consume_per_s"]) for run in shown) * 1.15)
    axes.spines[["top", "right"]].set_visible(False)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")


def main(source: str, target: str) -> None:
    """Read, draw, write."""
    results = json.loads(Path(source).read_text())
    levels = list(dict.fromkeys(run["concurrency"] for run in results["runs"]))
    figure, panels = pyplot.subplots(len(levels), 1, figsize=(8, 2.6 * len(levels)), squeeze=False)
    for axes, concurrency in zip(panels[:, 0], levels, strict=True):
        draw(axes, results["runs"], concurrency)
    machine = results["machine"]
    figure.supxlabel(f"{machine['cores']} cores, {machine['server']}, Python {machine['python']}", fontsize=8)
    figure.tight_layout()
    figure.savefig(target, metadata={"Date": None})


if __name__ == "__main__":
    main(*sys.argv[1:])
