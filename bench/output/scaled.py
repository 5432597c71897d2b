"""What a run of `scaling` shows: its tables, and the pictures of a step's timeline and of the efficiency over ranks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from bench.output.axes import COLOURS, GRID, INK, styled
from bench.output.columns import Column, columns
from bench.training.scaling_model import (
    ALGORITHMS,
    INTERCONNECTS,
    Interconnect,
    Profile,
    Timeline,
    buckets,
    simulated,
)
from gpunn.pictures.canvas import new_figure

RANKS = [2**i for i in range(1, 13)]
DRAWN = (2, 64, 4096)  # ranks of the timelines
LANES = {"forward": COLOURS[0], "backward": COLOURS[5], "update": COLOURS[6], "all-reduce": COLOURS[1]}
PREDICTED = [
    Column("ranks", "ranks", ",.0f", width=7),
    *columns(",.2f", "step as step, ms", "exposed as waiting, ms", scale=1e3, widths=(12, 13)),
    *columns(",.0f", "images_per_second as images/s", widths=(13,)),
    *columns(".1%", "weak as weak scaling", "strong", "best", widths=(14, 9, 9)),
    *columns(".3g", "best_bucket as with buckets of MB", scale=2**-20, widths=(20,)),
]
MEASURED = [
    Column("ranks", "ranks", ",.0f", width=7),
    *columns(",.2f", "alone as one alone, ms", "together as all at once, ms", "expected as predicted, ms",
             "parallel as data parallel, ms", scale=1e3, widths=(15, 17, 15, 19)),
    *columns(",.0f", "images_per_second as images/s", widths=(12,)),
    *columns(".2f", "expected_images as times one's, predicted", "images as measured",
             "images_of_best as of the fastest", widths=(24, 10, 16)),
]  # fmt: skip


def about(one: dict[str, Any]) -> str:
    """A network's step and its gradients in a sentence."""
    step = Profile.read(one["profile"])
    count = len(buckets(step, one["bucket_bytes"])) - 1  # the last is of counts
    ends = (step.forward, step.backward - step.forward, step.step - step.backward)
    return (
        f"{one['network']}: batch {step.batch} a rank, {1e3 * step.step:.2f} ms a step of one rank "
        f"({' + '.join(f'{1e3 * each:.2f}' for each in ends)}: forward, backward, update), "
        f"{sum(step.sizes) / 1e6:.2f} MB of gradients in {count} bucket{'s' * (count > 1)}"
    )


def over(found: dict[str, Any]) -> str:
    """The network and the algorithm of the predictions in words."""
    net = Interconnect(found["latency"], found["bandwidth"])
    faster = "" if found["faster"] == 1 else f", computing {found['faster']:g} times as fast as measured"
    return f"{found['algorithm']} over {found['interconnect']} ({net}){faster}"


def fit(found: dict[str, Any]) -> str:
    """What was fitted to the all-reduces of this machine, in words."""
    if not found.get("fitted"):
        return "no all-reduce measured, so nothing to predict from"
    return f"its all-reduces fit a {found['algorithm']} of {Interconnect(**found['fitted'])}"


def markdown(run: dict[str, Any], grid: Callable[[list[str], list[list[str]]], str]) -> str:
    """The tables of a README: of each network what is predicted, and what was measured."""
    parts = []
    for one in run["scaling"]["networks"]:
        parts += [f"{about(one)}; {over(run['scaling'])}:", _grid(PREDICTED, one["predicted"], grid)]
        if one["measured"]:
            parts += [f"{one['network']}, measured on {run['scaling']['cores']} cores:"]
            parts += [_grid(MEASURED, one["measured"], grid)]
    return "\n\n".join(parts)


def _grid(shown: list[Column], rows: list[Any], grid: Callable[..., str]) -> str:
    return grid([one.title for one in shown], [[one.text(row) for one in shown] for row in rows])


# ---------------------------------------------------------------- pictures
def figures(run: dict[str, Any]) -> dict[str, Any]:
    """The pictures by name: "timeline", "efficiency"."""
    return {"timeline": timeline(run["scaling"]), "efficiency": efficiency(run["scaling"])}


def _simulations(found: dict[str, Any], one: dict[str, Any], ranks: list[int]) -> Iterator[tuple[int, Timeline]]:
    step = Profile.read(one["profile"])
    net = Interconnect(found["latency"], found["bandwidth"])
    for count in ranks:
        yield count, simulated(step, buckets(step, one["bucket_bytes"]), count, net, found["algorithm"])


def timeline(found: dict[str, Any]) -> Any:
    """A panel a network and number of ranks: what a rank computes above, the buckets on the network below."""
    lines = [(one, *each) for one in found["networks"] for each in _simulations(found, one, list(DRAWN))]
    figure = new_figure(9.0, 0.5 + 1.15 * len(lines))
    figure.suptitle(over(found), fontsize=10, color=INK)
    for axes, (one, ranks, step) in zip(figure.subplots(len(lines), squeeze=False)[:, 0], lines, strict=True):
        share = step.exposed / step.step
        title = f"{one['network']}, {ranks:,} ranks: {1e3 * step.step:,.1f} ms, {share:.0%} of them waiting"
        styled(axes, title)
        for name in ("forward", "backward", "update"):
            _span(axes, 1, name, getattr(step, name))
        for i, span in enumerate(step.reduces):
            _span(axes, 0, "all-reduce", span, 0.6 if i % 2 else 1.0)
        axes.set_yticks([1, 0], ["compute", "network"], fontsize=8)
        axes.set(xlim=(0, 1e3 * step.step), ylim=(-0.5, 1.5))
    axes.set_xlabel("milliseconds")
    for name, colour in LANES.items():
        axes.plot([], [], "s", color=colour, label=name)
    figure.legend(loc="outside lower center", ncols=len(LANES), frameon=False, fontsize=8)
    return figure


def _span(axes: Any, lane: int, name: str, span: tuple[float, float], alpha: float = 1.0) -> None:
    start, end = (1e3 * each for each in span)
    axes.barh(lane, end - start, 0.72, start, color=LANES[name], alpha=alpha, linewidth=0)


def efficiency(found: dict[str, Any]) -> Any:
    """Weak scaling over ranks: a colour a network, dashed by the tree; beside it what was measured here."""
    nets = {found["interconnect"]: Interconnect(found["latency"], found["bandwidth"]), **INTERCONNECTS}
    marks = {"images": ("o", f"measured on {found['cores']} cores"), "expected_images": ("x", "predicted for them")}
    figure = new_figure(9.0, 4.2)
    panels = figure.subplots(1, len(found["networks"]), squeeze=False, sharey=True)[0]
    for axes, one in zip(panels, found["networks"], strict=True):
        styled(axes, one["network"])
        step = Profile.read(one["profile"])
        parts = buckets(step, one["bucket_bytes"])
        for (name, net), colour in zip(nets.items(), COLOURS, strict=False):
            for algorithm, style in zip(ALGORITHMS, ("-", "--"), strict=True):
                shares = [step.step / simulated(step, parts, n, net, algorithm).step for n in RANKS]
                label = f"{name}, {algorithm}" if axes is panels[0] else None
                axes.plot(RANKS, shares, style, color=colour, linewidth=1.4, label=label)
        for key, (marker, what) in marks.items():
            points = [(row["ranks"], row[key] / row["ranks"]) for row in one["measured"] if row.get(key)]
            if points:
                axes.plot(*zip(*points, strict=True), marker, color=INK, label=what if axes is panels[0] else None)
        axes.set(xscale="log", xlabel="ranks", ylim=(0, 1.08), xticks=[1, 4, 16, 64, 256, 1024, 4096])
        axes.set_xticks([], minor=True)
        axes.set_xticklabels(["1", "4", "16", "64", "256", "1,024", "4,096"])
        axes.yaxis.set_major_formatter("{x:.0%}")
        axes.grid(True, color=GRID, linewidth=0.6)
    panels[0].set_ylabel("images a second, of as many ranks that wait for nobody", fontsize=8)
    figure.legend(loc="outside lower center", ncols=4, frameon=False, fontsize=8)
    return figure
