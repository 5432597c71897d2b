"""The schema of files of results: what each value must be, and what the values together must say."""

from __future__ import annotations

from typing import Any

from gpunn import kinds, limits
from gpunn.kinds import choice, list_of, maybe, number, record, table_of, text
from gpunn.text import brief

SCHEMA = "gpunn bench 1"
STATUSES = ("ok", "refused", "skipped", "failed")
SPREAD = ("median", "p10", "p90")
TRAINED = ("peak_bytes", "kept_bytes", "images_per_second", "test_accuracy", "train_loss", "train_seconds")
LOST = ("calls", "predicted_seconds", "lost_seconds")
COUNTS = (
    "barriers", "sectors", "ideal_sectors", "passes", "ideal_passes", "conflict_ways", "launches",
    "global_loads", "global_stores", "shared_loads", "shared_stores",
)  # fmt: skip

# Above 1e15 nothing is measured, and a sum of products of such numbers is still finite.
FIGURE = number("a number of 0 to 1e15", lambda v: 0 <= v <= 1e15)
ABOVE_0 = number("a number above 0 and up to 1e15", lambda v: 0 < v <= 1e15)
RATE = number("a number of 0 to 1e30", lambda v: 0 <= v <= 1e30)
TIMES = record(dict.fromkeys(SPREAD, FIGURE), {"repeats": maybe(kinds.COUNT)})
RIVAL = record(
    {},
    {
        "reason": maybe(kinds.TEXT),
        "speed": maybe(ABOVE_0),
        **dict.fromkeys((*SPREAD, *TRAINED), maybe(FIGURE)),
    },
)
ROW = record(
    {
        **dict.fromkeys(("suite", "case", "operation", "variant", "precision"), kinds.TEXT),
        "status": choice(*STATUSES),
    },
    {
        **dict.fromkeys(("shape", "reason"), kinds.TEXT),
        "seconds": maybe(TIMES),
        "counts": maybe(record({**dict.fromkeys(COUNTS, FIGURE), "blocks": ABOVE_0}, others=maybe(FIGURE))),
        "bound": maybe(choice("memory", "arithmetic")),
        "verified": maybe(table_of(kinds.ANY)),
        "against": table_of(RIVAL),
        **dict.fromkeys(("flops", "bytes", "gflops", "gbs"), maybe(RATE)),
        **dict.fromkeys(("host_seconds", "roofline", *LOST, *TRAINED), maybe(FIGURE)),
    },
)
MEAN = record(
    {**dict.fromkeys(("operation", "precision"), kinds.TEXT), "cases": kinds.COUNT},
    {"speeds": table_of(ABOVE_0), "slowest": maybe(FIGURE), "slowest_case": kinds.TEXT},
)
ROOFLINE = record({"copy": RATE, "peaks": table_of(RATE)})
PROFILE = record(
    {
        **dict.fromkeys(("batch", "forward", "backward", "step"), ABOVE_0),
        "ready": list_of(FIGURE, 1),
        "sizes": list_of(FIGURE, 1),
    }
)
OF_RANKS = record({"ranks": ABOVE_0}, others=maybe(FIGURE))
INTERCONNECT = {"latency": FIGURE, "bandwidth": ABOVE_0}
SCALING = record(
    {
        **INTERCONNECT,
        "interconnect": kinds.TEXT,
        "algorithm": choice("ring", "tree"),
        **dict.fromkeys(("faster", "cores"), ABOVE_0),
        "networks": list_of(
            record(
                {
                    "network": kinds.TEXT,
                    "bucket_bytes": ABOVE_0,
                    **dict.fromkeys(("profile", "least"), PROFILE),
                    **dict.fromkeys(("predicted", "measured"), list_of(OF_RANKS)),
                }
            ),
            1,
        ),
    },
    {"fitted": record(INTERCONNECT)},
)
HEAD = {
    **dict.fromkeys(("date", "commit", "numpy"), kinds.TEXT),
    "seed": kinds.whole(0, limits.SEED),
}
MORE = {
    **dict.fromkeys(("processor", "gpu", "torch", "cupy", "command"), maybe(kinds.TEXT)),
    "threads": maybe(kinds.COUNT),
    "interrupted": kinds.SWITCH,
    "load_before": maybe(FIGURE),
    "driver": maybe(kinds.either("a version", FIGURE, kinds.TEXT)),
    "roofline": maybe(ROOFLINE),
    "rivals": table_of(kinds.TEXT),
    "means": list_of(MEAN),
    "scaling": SCALING,
}
RUN = record({**HEAD, "suite": text("a name"), "device": text("a name"), "rows": list_of(ROW)}, MORE)
SIDE = record(dict.fromkeys(SPREAD, FIGURE), dict.fromkeys(("peak_bytes", "images_per_second"), maybe(FIGURE)))
NETWORK = record(
    {"network": kinds.TEXT, "batch": list_of(kinds.COUNT, 1, 8), "pairs": kinds.COUNT, "ours": SIDE},
    {"torch": maybe(SIDE), "ratio": ABOVE_0},
)
# What `python -m bench cpu` writes, whose networks become rows.
NETWORKS = record({**HEAD, "networks": list_of(NETWORK)}, {**MORE, "suite": text("a name"), "device": text("a name")})


def complaints(document: Any) -> list[str]:
    """What is wrong with a document, in words; empty where it follows the schema."""
    if not isinstance(document, dict):
        return [f"it is a {type(document).__name__}, expected an object"]
    if "networks" in document:
        words = kinds.fault(NETWORKS, document)
        if words:
            return [words]
        compared = [one for one in document["networks"] if one.get("torch")]
        return [f"{one['network']} lacks ratio" for one in compared if "ratio" not in one]
    if document.get("schema") != SCHEMA:
        return [f"schema is {brief(document.get('schema'))}, expected {SCHEMA!r}"]
    if words := kinds.fault(RUN, document):
        return [words]
    wrong = [f"rows[{i}] {text}" for i, row in enumerate(document["rows"]) for text in _contradictions(row)]
    return wrong + (_of_scaling(document.get("scaling")) if document["suite"] == "scaling" else [])


def _of_scaling(found: dict[str, Any] | None) -> list[str]:
    if found is None:
        return ["scaling is missing, expected what was predicted"]
    steps = ((one["network"], one[name]) for one in found["networks"] for name in ("profile", "least"))
    return [f"{name} has other numbers of ready and of sizes" for name, step in steps
            if len(step["ready"]) != len(step["sizes"])]  # fmt: skip


def _contradictions(row: dict[str, Any]) -> list[str]:
    status, seconds, counts = row["status"], row.get("seconds"), row.get("counts")
    memory = "kept_bytes" in row  # of a row that is about bytes alone
    rivals = {f"against.{name}": one for name, one in row.get("against", {}).items() if not memory | ("reason" in one)}
    spreads = {**rivals, **({"seconds": seconds} if seconds else {})}
    wrong = {
        f"is {status} without a reason": status != "ok" and not row.get("reason"),
        "is ok, so it must have either seconds, counts or kept_bytes": status == "ok"
        and bool(seconds) + bool(counts) + memory != 1,
        **{f"lacks {name}.speed": one.get("speed") is None for name, one in rivals.items()},
        "has a roofline but no bound": row.get("roofline") is not None and row.get("bound") is None,
        **{f"has {name} that is not in order: median, p10, p90": not _in_order(one) for name, one in spreads.items()},
    }
    return [words for words, so in wrong.items() if so]


def _in_order(spread: dict[str, Any]) -> bool:
    low, median, high = (spread.get(name) for name in ("p10", "median", "p90"))
    return None not in (low, median, high) and low <= median <= high  # type: ignore[operator]
