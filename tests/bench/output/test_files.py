"""Files of results: the schema, comparing, the README's tables, the pictures."""

import copy
import json

import pytest

from bench.__main__ import main
from bench.output import columns, compare, report, results, schema
from bench.rows import Spread
from gpunn.errors import UsageError
from tests.bench.runs import counted, counted_file, read, row, timed, timed_file, timed_row


def test_made_up_runs_follow_the_schema():
    assert schema.complaints(timed_file()) == []
    assert schema.complaints(counted_file()) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d.update(schema="x"), "schema is 'x', expected 'gpunn bench 1'"),
        (lambda d: d.pop("commit"), "commit is missing, expected words"),
        (lambda d: d.update(rows=None), "rows is None, expected a list of"),
        (lambda d: d["rows"][0].update(case=3), "rows[0].case is 3, expected words"),
        (lambda d: d["rows"][0].update(status="fine"), "rows[0].status is 'fine', expected one of ok, refused"),
        (lambda d: d["rows"][4].update(reason=""), "rows[4] is refused without a reason"),
        (lambda d: d["rows"][0].pop("seconds"), "rows[0] is ok, so it must have either seconds, counts or"),
        (lambda d: d["rows"][0]["seconds"].pop("p90"), "rows[0].seconds.p90 is missing, expected a number of 0"),
        (lambda d: d["rows"][0]["seconds"].update(p10=9), "rows[0] has seconds that is not in order"),
        (lambda d: d["rows"][0]["seconds"].update(p90=float("nan")), "rows[0].seconds.p90 is nan, expected a number"),
        (lambda d: d["rows"][0].update(bound="luck"), "rows[0].bound is 'luck', expected none, or one of memory, ari"),
        (lambda d: d["rows"][0]["against"]["torch"].pop("speed"), "rows[0] lacks against.torch.speed"),
    ],
)
def test_complaints(change, said):
    document = timed_file()
    change(document)
    assert any(text.startswith(said) for text in schema.complaints(document)), schema.complaints(document)


def test_save_and_load(tmp_path):
    file = tmp_path / "sub" / "a.json"
    results.save(timed(), file)
    assert results.load(file) == timed()
    assert [path.name for path in file.parent.iterdir()] == ["a.json"]
    file.write_text("[]")
    with pytest.raises(UsageError, match=r"a\.json: no file of results: it is a list"):
        results.load(file)
    with pytest.raises(UsageError, match="cannot be read as a file of results"):
        results.load(tmp_path / "none.json")


def networks():
    side = {"median": 0.01, "p10": 0.009, "p90": 0.012, "images_per_second": 6400.0, "peak_bytes": 8_000_000}
    theirs = {**side, "median": 0.008, "p10": 0.0079, "p90": 0.009}
    one = {"network": "lenet5", "batch": [64, 1, 28, 28], "pairs": 40, "ours": side, "torch": theirs, "ratio": 1.25}
    about = {name: timed()[name] for name in ("date", "commit", "seed", "numpy", "processor", "threads")}
    return {**about, "torch": "2.13", "networks": [one]}


def test_the_cpu_suites_own_files_are_read(tmp_path):
    file = tmp_path / "cpu.json"
    file.write_text(json.dumps(networks()))
    document = results.load(file)
    (one,) = document["rows"]
    assert (document["suite"], one.case, one.against["torch"].speed) == ("cpu", "lenet5", 0.8)
    assert "| lenet5 | 64x1x28x28 | 10.0 | 8.0 | 1.25 | 8 | 8 |" in report.markdown(document)


# ---------------------------------------------------------------- compare
def test_compare_says_what_moved_beyond_the_spread(tmp_path, capsys):
    a, b = timed(), timed()
    b["rows"][0] = read(timed_row("lenet5 conv1", "forward", "tiled64", 60e-6))  # beyond
    b["rows"][2] = read(timed_row("lenet5 conv2", "grad_input", "naive", 210e-6))  # within
    b["rows"].append(read(timed_row("lenet5 conv9", "forward", "naive", 1e-6)))
    b["numpy"] = "2.2"
    for name, document in (("a", a), ("b", b)):
        results.save(document, tmp_path / f"{name}.json")
    assert main(["compare", str(tmp_path / "a.json"), str(tmp_path / "b.json")]) == 0
    out = capsys.readouterr().out
    (line,) = [line for line in out.splitlines() if line.startswith("lenet5 conv1 conv2d.forward tiled64 fp32")]
    assert line.split()[-3:] == ["90.00", "60.00", "0.67"]
    assert "lenet5 conv2" not in out
    assert "only in B: lenet5 conv9 conv2d.forward naive fp32" in out
    assert "not the same numpy: 2.1 and 2.2" in out
    assert "4 figures in both runs, 1 moved beyond the spread" in out
    assert max(map(len, out.splitlines())) <= 120


def test_compare_counts_are_exact():
    a, b = counted(), counted()
    b["rows"][0].counts["sectors"] += 1
    moved = [m for m in compare.moves(a, b) if m.beyond]
    assert [(m.what, m.after - m.before) for m in moved] == [("sectors", 1)]


def test_two_equal_runs_move_nothing():
    assert not any(m.beyond for m in compare.moves(timed(), copy.deepcopy(timed())))


@pytest.mark.parametrize(("slower", "status"), [(1.0, 0), (1e-6, 1)])
def test_baseline_fails_above_its_limit(slower, status, capsys, tmp_path):
    file, baseline = tmp_path / "a.json", tmp_path / "b.json"
    argv = ["--device", "cpu", "--cases", "lenet5 fc1", "--repeats", "3", "--against", "none"]
    assert main(["gemm", *argv, "--json", str(file)]) == 0
    document = results.load(file)
    document["rows"][0].seconds = Spread(slower, slower, slower)  # a second is slow, a microsecond fast
    results.save(document, baseline)
    capsys.readouterr()
    more = ["--baseline", str(baseline), "--fail-above", "1.05"]
    assert main(["gemm", *argv, *more]) == status
    assert ("SLOWER than 1.05 times the baseline: lenet5 fc1" in capsys.readouterr().out) == bool(status)


# ---------------------------------------------------------------- report
def test_tables_go_between_the_markers():
    text = "a\n<!-- bench:conv2d-emulator -->\nold\n<!-- /bench:conv2d-emulator -->\nb\n"
    new, said = report.fill(text, {"x": counted(), "y": timed()}, "R.md")
    assert new.startswith("a\n<!-- bench:conv2d-emulator -->\n| case |")
    assert new.endswith("<!-- /bench:conv2d-emulator -->\nb\n")
    assert "old" not in new
    assert "| lenet5 conv1 | forward | b | fp32 | 1,100 |" in new and "| a |" not in new  # the best variant alone
    assert said == ["R.md: wrote the table of conv2d-emulator (2026-01-02T03:04:05+00:00)"]
    assert report.fill(new, {"x": counted()}, "R.md")[0] == new


def test_timed_table_has_rivals_and_place():
    text = report.markdown(timed())
    assert "| lenet5 conv1 | forward | tiled64 | fp32 | 90.0 | 44.4 | 1.11 | 11% | arithmetic | 1.50 |" in text
    assert "times torch" in text and "cudnn" not in text
    assert text.endswith("a <small> processor, 2 threads; numpy 2.1; seed 0; commit abc1234, 2026-01-02.")


def test_wide_spreads_are_marked():
    one = read(timed_row("c", "forward", "naive", 1e-4))
    assert not one.noisy("torch")
    one.against["torch"].p90 *= 2
    assert one.noisy("torch") and not one.noisy()
    assert " ~1.50" in list(columns.Table(False, ["torch"]).lines(one))[1]


def test_markers_without_a_run_or_an_end():
    text = "<!-- bench:step -->\nkept\n<!-- /bench:step -->\n"
    said = ["R.md: no run for <!-- bench:step --> yet; left as it was"]
    assert report.fill(text, {"x": timed()}, "R.md") == (text, said)
    with pytest.raises(UsageError, match=r"R\.md:2: <!-- bench:step --> has no <!-- /bench:step --> after it"):
        report.fill("\n<!-- bench:step -->\n", {"x": timed()}, "R.md")


def test_report_without_results(tmp_path, capsys):
    assert main(["report", "--results", str(tmp_path)]) == 2
    assert "no files of results; write one with `python -m bench SUITE --json FILE.json`" in capsys.readouterr().err


# ---------------------------------------------------------------- pictures and table
def test_pictures(tmp_path):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    from matplotlib.colors import to_hex

    from bench.output import pictures

    written = pictures.write(timed(), tmp_path / "p.png")
    assert [path.name for path in written] == ["p.png", "p-bars.png"]
    assert all(path.read_bytes()[:4] == b"\x89PNG" for path in written)
    assert [path.name for path in pictures.write(counted(), tmp_path / "c.png")] == ["c.png"]
    figure = pictures.figures(timed())["roofline"]
    drawn = [line for line in figure.axes[0].lines if len(line.get_xdata()) == 1]
    assert len(drawn) == 4  # every measured kernel
    axes = pictures.figures(timed())["bars"].axes[0]
    shown = {to_hex(patch.get_facecolor()) for patch in axes.patches}
    named = {line.get_label(): to_hex(line.get_color()) for line in axes.get_legend().get_lines()}
    assert named.keys() == {"tiled64", "naive", "torch"} and set(named.values()) == shown  # in the bars' own colours


def test_table_fits_with_every_rival():
    one = columns.Table(False, ["torch", "compiled", "cupy", "cudnn"])
    refused = row("c", "adaptive_avg_backward", "gather", status="refused", reason="why " * 90)
    rows = [*timed()["rows"], read(refused)]
    lines = [one.head(), *(line for r in rows for line in one.lines(r))]
    assert max(len(line) for text in lines for line in text.splitlines()) <= 120
    assert max(map(len, columns.legend(False).splitlines() + columns.legend(True).splitlines())) <= 120
