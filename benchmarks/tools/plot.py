"""`plot.py results.json results.svg`: rates and latencies side by side. Runs in an environment with matplotlib."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
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

Runs = list[dict[str, Any]]
Panel = tuple[Callable[[Any, Runs], None], Runs]


def colour(engine: str) -> str:
    """Ours, its ceiling, or a peer."""
    return {"headrace": OURS, "headrace-ceiling": CEILING}.get(engine, PEER)


def draw_rates(axes: Any, runs: Runs) -> None:
    """Medians as bars, all repeats as dots."""
    shown = sorted(runs, key=lambda run: median(run["consume_per_s"]))
    for place, run in enumerate(shown):
        rates = run["consume_per_s"]
        axes.barh(place, median(rates), color=colour(run["engine"]), height=0.62)
        axes.plot(rates, [place] * len(rates), ".", color="black", markersize=3)
        axes.annotate(f" {median(rates):,.0f}", (max(rates), place), va="center", fontsize=8)
    name_engines(axes, shown)
    axes.set_title(
        f"no-op jobs per second, one process, concurrency {shown[0]['concurrency']}", fontsize=10, loc="left"
    )
    axes.set_xlim(0, max(max(run["consume_per_s"]) for run in shown) * 1.15)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")


def draw_latencies(axes: Any, runs: Runs) -> None:
    """From p50 to p99, on a logarithmic scale."""
    shown = sorted((run for run in runs if run["p50_ms"]), key=lambda run: -run["p50_ms"])
    for place, run in enumerate(shown):
        axes.plot([run["p50_ms"], run["p99_ms"]], [place] * 2, color=colour(run["engine"]), linewidth=5)
        axes.annotate(f" {run['p50_ms']:.2f} to {run['p99_ms']:.2f}", (run["p99_ms"], place), va="center", fontsize=8)
    axes.set_xscale("log")
    axes.set_xlim(right=max(run["p99_ms"] for run in shown) * 6)
    name_engines(axes, shown)
    axes.set_title("ms from enqueue to handler on an idle worker, p50 to p99", fontsize=10, loc="left")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")


def name_engines(axes: Any, shown: Runs) -> None:
    """One line each."""
    axes.set_yticks(range(len(shown)), [f"{run['engine']} {run['version']}" for run in shown], fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)


def panels(runs: Runs) -> list[Panel]:
    """What to draw: a panel for each concurrency, one for latency."""
    measured = [run for run in runs if run["section"] == "throughput"]
    levels = list(dict.fromkeys(run["concurrency"] for run in measured))
    made: list[Panel] = [(draw_rates, [run for run in measured if run["concurrency"] == level]) for level in levels]
    first = [run for run in measured if run["concurrency"] == levels[0] and run["p50_ms"]] if levels else []
    if first:
        made.append((draw_latencies, first))
    return made


def main(source: str, target: str) -> None:
    """Read, draw, write."""
    results = json.loads(Path(source).read_text())
    drawn = panels(results["runs"])
    heights = [0.6 + 0.22 * len(runs) for _, runs in drawn] or [1]
    figure, grid = pyplot.subplots(
        len(heights), 1, figsize=(8, sum(heights) + 0.4), squeeze=False, gridspec_kw={"height_ratios": heights}
    )
    for axes, (draw, runs) in zip(grid[:, 0], drawn, strict=False):
        draw(axes, runs)
    machine = results["machine"]
    figure.supxlabel(f"{machine['cores']} cores, {machine['server']}, Python {machine['python']}", fontsize=8)
    figure.tight_layout()
    figure.savefig(target, metadata={"Date": None})


if __name__ == "__main__":
    main(*sys.argv[1:])
