"""Two runs made up by hand, as a file has them and as they are read: one timed, one counted."""

from bench.output import results
from bench.rows import Row


def spread(median, wide=0.1):
    return {"median": median, "p10": median * (1 - wide), "p90": median * (1 + wide), "repeats": 9}


def row(case, pass_, variant, **more):
    return {
        "suite": "conv2d", "case": case, "shape": "x 1x2x3x4", "operation": f"conv2d.{pass_}", "variant": variant,
        "precision": "fp32", "status": "ok", "reason": "", "flops": 4_000_000, "bytes": 100_000, **more,
    }  # fmt: skip


def timed_row(case, pass_, variant, seconds, speed=1.5):
    figures = {"gflops": 4e-3 / seconds, "gbs": 1e-4 / seconds, "roofline": 1e-5 / seconds, "bound": "arithmetic"}
    against = {"torch": {**spread(seconds * speed), "speed": speed}, "cudnn": {"reason": "not today"}}
    del against["torch"]["repeats"]
    return row(case, pass_, variant, seconds=spread(seconds), host_seconds=5e-6, against=against, **figures)


def head(device):
    return {
        "schema": "gpunn bench 1", "suite": "conv2d", "device": device, "date": "2026-01-02T03:04:05+00:00",
        "commit": "abc1234", "seed": 0, "numpy": "2.1", "processor": "a <small> processor", "threads": 2,
        "interrupted": False, "rivals": {"torch": "2.13", "cudnn": "missing: not installed"},
    }  # fmt: skip


def timed_file():
    rows = [
        timed_row("lenet5 conv1", "forward", "tiled64", 90e-6),
        timed_row("lenet5 conv1", "forward", "naive", 1100e-6, 0.2),
        timed_row("lenet5 conv2", "grad_input", "naive", 200e-6),
        timed_row("lenet5 conv10", "grad_input", "naive", 30e-6),
        row("lenet5 conv10", "forward", "tiled64", status="refused", reason="C = 1 is no multiple of 4"),
    ]
    roof = {"copy": 5e10, "peaks": {"fp32": 4e11}, "how": {"fp32": "a product"}}
    return {**head("cpu"), "roofline": roof, "rows": rows}


COUNTS = {
    "launches": 1, "blocks": 4, "barriers": 8, "sectors": 1200, "ideal_sectors": 1000, "sector_excess": 1.2,
    "traffic": 2.0, "passes": 0, "ideal_passes": 0, "conflict_ways": 0.0, "global_loads": 30, "global_stores": 10,
    "shared_loads": 0, "shared_stores": 0,
}  # fmt: skip


def counted_file():
    rows = [row("lenet5 conv1", "forward", name, counts=dict(COUNTS)) for name in "ab"]
    rows[1]["counts"]["sectors"] = 1100
    return {**head("emulator"), "rows": rows}


def timed():
    return results.parse(timed_file())


def counted():
    return results.parse(counted_file())


def read(values):
    return Row.read(values)
