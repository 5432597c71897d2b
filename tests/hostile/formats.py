"""Every format of file that gpunn reads: good files, how they are mutated, and what the command line does with them."""

from __future__ import annotations

import gzip
import io
import json
import pickle
import random
import struct
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import gpunn
from bench.output import compare, report
from gpunn import data, models
from gpunn.cli import main
from gpunn.cuda import cubins
from gpunn.data import cifar, mnist, store
from gpunn.data.idx import read_idx
from gpunn.data.picture import read_picture
from gpunn.report.parts import best_epoch, read_history, read_rows, seconds
from gpunn.train import load_checkpoint
from tests.hostile.mutate import dump, in_bytes, in_tree, in_words

BUILD = cubins.Build("a/b.cu", "text", 80, (12, 9))
Mutate = Callable[[random.Random, Path], None]


@dataclass(frozen=True)
class Format:
    """`file` in a copy of the good folder `good` is mutated, and `use(folder)` reads it: returns, or raises."""

    good: str
    file: str
    mutate: Mutate
    use: Callable[[Path], object]


class Refused(Exception):
    """What a command said as it ended with status 2."""


def command(*argv: str) -> Callable[[Path], None]:
    """Run `gpunn ...` in this process, in the folder."""

    def use(folder: Path) -> None:
        said = io.StringIO()
        with redirected(said):
            status = main([word.format(folder=folder) for word in argv])
        if status:
            whole = said.getvalue()
            raise Refused(whole[max(0, whole.find("gpunn: error: ")) :])  # behind the heading of a run

    return use


def redirected(said):
    from contextlib import ExitStack, redirect_stderr, redirect_stdout

    stack = ExitStack()
    stack.enter_context(redirect_stdout(io.StringIO()))
    stack.enter_context(redirect_stderr(said))
    return stack


# ---------------------------------------------------------------- how files are mutated
def bytewise(rng: random.Random, path: Path) -> None:
    path.write_bytes(in_bytes(rng, path.read_bytes()))


def either(*mutations: Mutate) -> Mutate:
    return lambda rng, path: rng.choice(mutations)(rng, path)


def tree_of_checkpoint(rng: random.Random, path: Path) -> None:
    """The right checksums around a wrong tree."""
    tree = load_checkpoint(path)
    part = rng.choice([tree, *(v for v in tree.values() if isinstance(v, (dict, list)) and v)])
    in_tree(rng, part)
    arrays: dict[str, np.ndarray] = {}

    def split(value, name):
        if isinstance(value, np.ndarray):
            arrays[name] = value
            return {"__array__": name}
        if isinstance(value, dict):
            return {key: split(each, f"{name}/{key}"[:50]) for key, each in value.items()}
        return [split(each, f"{name}/{i}"[:50]) for i, each in enumerate(value)] if isinstance(value, list) else value

    meta = {"format": "gpunn-checkpoint", "version": 1, "state": split(tree, "s")}
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("meta.json", json.dumps(meta))
        for name, array in arrays.items():
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, array)
            archive.writestr(f"{name}.npy", buffer.getvalue())


def tree_of_json(rng: random.Random, path: Path) -> None:
    tree = json.loads(path.read_text())
    in_tree(rng, tree, arrays=False)
    path.write_text(dump(tree))


def words_between(separators: str) -> Mutate:
    return lambda rng, path: path.write_text(
        in_words(rng, path.read_text(), separators), errors="surrogatepass", newline=""
    )


def arrays_of_npz(rng: random.Random, path: Path) -> None:
    with np.load(path) as file:
        arrays = dict(file)
    in_tree(rng, arrays)
    method = rng.choice([np.savez, np.savez, np.savez_compressed])
    method(path, **{str(name): np.asarray(value) for name, value in arrays.items() if plain(value)})


def plain(value) -> bool:
    """Whether NumPy makes an array of it that is no pickle."""
    try:
        return np.asarray(value).dtype.kind in "biufcU"
    except ValueError:
        return False


def tree_of_pickle(rng: random.Random, path: Path) -> None:
    tree = pickle.loads(path.read_bytes(), encoding="latin-1")
    in_tree(rng, tree, arrays=True)
    path.write_bytes(pickle.dumps(tree, protocol=rng.choice([2, 3, 4])))


def inside_gzip(rng: random.Random, path: Path) -> None:
    path.write_bytes(gzip.compress(in_bytes(rng, gzip.decompress(path.read_bytes())), 1))


def inside_archive(rng: random.Random, path: Path) -> None:
    """The right checksums around a member's wrong bytes."""
    with zipfile.ZipFile(path) as file:
        members = {name: file.read(name) for name in file.namelist()}
    name = rng.choice([*members, *["archive/data.pkl"] * 4])
    members[name] = in_bytes(rng, members[name])
    with zipfile.ZipFile(path, "w") as file:
        for name, content in members.items():
            file.writestr(name, content)


def head_of_idx(rng: random.Random, path: Path) -> None:
    content = path.read_bytes()
    sizes = [rng.choice([0, 1, 3, 28, 60000, 2**31, 2**32 - 1]) for _ in range(rng.choice([1, 2, 3, 3, 9, 70]))]
    head = struct.pack(f">HBB{len(sizes)}I", 0, rng.choice([8, 9, 13, 14]), len(sizes), *sizes)
    path.write_bytes(head + content[16:])


def head_of_safetensors(rng: random.Random, path: Path) -> None:
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    tree = json.loads(content[8 : 8 + length])
    in_tree(rng, tree, arrays=False)
    head = dump(tree).encode()
    length = rng.choice([len(head)] * 5 + [2**63, 10**12, len(head) + 9])
    path.write_bytes(struct.pack("<Q", length) + head + content[8 + length :])


# ---------------------------------------------------------------- what is done with them
def use_safetensors(folder: Path) -> None:
    models.load_safetensors(models.create("lenet5"), folder / "w.safetensors")


def use_history(folder: Path) -> None:
    """As `report` does; what it draws is drawn of whatever was read."""
    history = read_history(folder)
    best_epoch(history), seconds(history)
    read_rows(folder / "gradients.csv", "step")


def use_results(folder: Path) -> None:
    runs = report.read(folder)
    report.html(runs, plots=False)
    for name in runs:
        report.fill(f"<!-- bench:{name} -->\n<!-- /bench:{name} -->", runs, "README")
    one = next(iter(runs.values()))
    compare.text(compare.moves(one, one), one, one)


def use_cifar(folder: Path) -> None:
    cifar.load_cifar10(folder, download=False)


def use_decoded(folder: Path) -> None:
    """Made anew where it is damaged."""
    want = np.arange(60, dtype=np.uint8).reshape(5, 3, 4)
    got = store.stored("set", "0123", lambda: (want.shape, [want]))
    assert got.shape == want.shape


def use_cubin(folder: Path) -> None:
    code = b"code" * 20, "log"
    assert cubins.cached(BUILD, lambda: code) == code


MEMBER = either(bytewise, tree_of_checkpoint, tree_of_checkpoint)
JSON = either(bytewise, tree_of_json, tree_of_json, tree_of_json)
NOTE = f"gpunn/cubins/{BUILD.path.with_suffix('.json').name}"
RESUME = command("train", "--resume", "{folder}/run", "--epochs", "1")  # which it has: whatever config.json says
FORMATS = {
    "best weights": Format("runs", "run/best.npz", MEMBER, command("evaluate", "{folder}/run")),
    "weights, predicting": Format(
        "runs", "run/last.npz", MEMBER, command("predict", "{folder}/x.png", "--run", "{folder}/run/last.npz")
    ),
    "resumed checkpoint": Format("runs", "run/checkpoint.npz", MEMBER, RESUME),
    "resumed weights": Format("runs", "run/last.npz", MEMBER, RESUME),
    "resumed config.json": Format("runs", "run/config.json", JSON, RESUME),
    "ensemble's config.json": Format("runs", "both/config.json", JSON, command("evaluate", "{folder}/both")),
    "ensemble's weights": Format("runs", "both/member-2/best.npz", MEMBER, command("evaluate", "{folder}/both")),
    "recipe": Format(
        "runs", "run/recipe.toml", either(bytewise, words_between(" \n=[]")),
        command("train", "--recipe", "{folder}/run/recipe.toml", "--epochs", "1", "--limit", "20", "--batch-size", "20",
                "--ensemble", "1", "--out", "{folder}/new"),
    ),
    "history": Format("runs", "run/history.csv", either(bytewise, words_between(",\n")), use_history),
    "gradients": Format("runs", "run/gradients.csv", either(bytewise, words_between(",\n")), use_history),
    "bench results": Format("bench", "a.json", JSON, use_results),
    "bench cpu results": Format("bench", "cpu.json", JSON, use_results),
    "safetensors": Format("weights", "w.safetensors", either(bytewise, head_of_safetensors), use_safetensors),
    "PyTorch's file": Format(
        "pytorch", "w.pt", either(bytewise, inside_archive, inside_archive, inside_archive),
        lambda folder: gpunn.load(folder / "w.pt"),
    ),
    "PyTorch's older file": Format("pytorch", "old.pt", bytewise, lambda folder: gpunn.load(folder / "old.pt")),
    "idx": Format("idx", "images", either(bytewise, head_of_idx), lambda folder: read_idx(folder / "images")),
    "mnist.gz": Format(
        "mnist", "train-images-idx3-ubyte.gz", either(bytewise, inside_gzip),
        lambda folder: mnist.load_mnist(folder, download=False),
    ),
    "cifar.bin": Format("binary", "data_batch_2.bin", bytewise, use_cifar),
    "cifar pickle": Format("python", "data_batch_2", either(bytewise, tree_of_pickle), use_cifar),
    "cifar pickled names": Format("python", "batches.meta", either(bytewise, tree_of_pickle), use_cifar),
    "cifar.tar.gz": Format("archive", "cifar-10-binary.tar.gz", either(bytewise, inside_gzip), use_cifar),
    "cifar jpeg copy": Format("jpeg", "cifar10_jpeg.npz", either(bytewise, arrays_of_npz, arrays_of_npz), use_cifar),
    "folder of images": Format(
        "images", "a/0.png", bytewise, lambda folder: data.load(f"folder:{folder}@8")
    ),
    "folder of photographs": Format("images", "b/0.jpg", bytewise, lambda folder: data.load(f"folder:{folder}@8")),
    "picture": Format("images", "a/0.png", bytewise, lambda folder: read_picture(folder / "a/0.png", 1, 28)),
    "decoded cache": Format("cache", "gpunn/decoded/set-0123.npy", bytewise, use_decoded),
    "digits cache": Format(
        "cache", "gpunn/digits-v1-seed0-30-10.npz", either(bytewise, arrays_of_npz), lambda _: data.load_digits(30, 10)
    ),
    "cubin's note": Format("cache", NOTE, either(bytewise, tree_of_json), use_cubin),
}  # fmt: skip
