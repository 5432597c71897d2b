"""``gpunn launch -n 4 COMMAND...``: ranks on this machine, watched over and started again."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from gpunn import accelerator, limits
from gpunn.cli import train
from gpunn.cli.parser import Parser
from gpunn.dist.launch_starts import Nodes, check_outermost
from gpunn.dist.launching import Plan, launch
from gpunn.errors import UsageError, nearest
from gpunn.ranks.environment import SECRET
from gpunn.recipes.config import Config
from gpunn.recipes.options import natural, positive_int
from gpunn.text import brief

EXAMPLE = "gpunn launch -n 4 train resnet20"


def add_to(commands: argparse._SubParsersAction) -> None:
    """Add the command to the parser's commands."""
    parser = commands.add_parser(
        "launch",
        help="start a command as several ranks, which train one network together",
        description="Start COMMAND as several ranks: train, a script.py that calls gpunn.dist.init(), or -m MODULE. "
        "On cpu and emulator through mpiexec, on cuda one process a GPU. Who dies is named, the others end, and "
        "--restarts goes on from the last checkpoint. A signal to the launcher goes to the ranks.",
        epilog=f"for example: {EXAMPLE}",
    )
    add = parser.add_argument
    add(
        "-n",
        "--nproc-per-node",
        dest="count",
        type=positive_int,
        metavar="N",
        help="ranks on this machine (cuda: all GPUs)",
    )
    add("--restarts", type=natural, default=0, metavar="N", help="start again after a death, at most so often")
    add("--device", help="cpu, cuda or emulator: the command's, else cpu")
    add("--nnodes", type=positive_int, default=1, metavar="N", help="machines, each with such a launch (cuda)")
    add("--node-rank", type=natural, default=0, metavar="I", help="which of them this is, from 0")
    add("--master", metavar="HOST:PORT", help="the first of them, and a free port there")
    add("-m", dest="module", action="store_true", help="COMMAND is a module, as for python -m")
    add("command", nargs=argparse.REMAINDER, metavar="COMMAND", help="what each rank runs, with its options")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Start the ranks and return their exit status."""
    if sys.platform == "win32":
        raise UsageError("launch: Windows has no way to start ranks; use WSL, the Linux within Windows")
    check_outermost()
    command, options = _command(args), _train_options(args)
    device = options.device or args.device or _resumed_device(options.resume) or "cpu"
    cuda = _is_cuda(device, args.device)
    count = _count(args.count, cuda)
    if command[0] == "train" and args.device and not options.device:
        command += ["--device", args.device]
    nodes = _nodes(args, cuda)
    go_on = _resume if command[0] == "train" and not options.resume else None
    return launch(Plan(command, count, cuda, args.restarts, nodes, _own_options(args, count), go_on))


def _resume(folder: str) -> list[str]:
    """The command that goes on with a run: the folder knows the rest."""
    return ["train", "--resume", folder]


def _command(args: argparse.Namespace) -> list[str]:
    """What each rank runs. UsageError for nothing, and for what is no command of ranks."""
    words = list(args.command)
    if not words:
        raise UsageError(f"launch: which command? expected train, a script.py or -m MODULE; try: {EXAMPLE}")
    if args.module:
        return ["-m", *words]
    if words[0].endswith(".py"):
        if not Path(words[0]).is_file():
            raise UsageError(f"launch: there is no file {brief(words[0])}; give the path of a script")
        return words
    if words[0] != "train":
        near = f"did you mean {known!r}?" if (known := nearest(words[0], ["train"])) else f"try: {EXAMPLE}"
        raise UsageError(f"launch: unknown command {brief(words[0])}, expected train, a script.py or -m MODULE; {near}")
    return words


def _train_options(args: argparse.Namespace) -> argparse.Namespace:
    """The options of train, where that is the command: a mistake among them is said once, not by each rank."""
    if args.module or args.command[0] != "train":
        return argparse.Namespace(device=None, resume=None)
    parser = Parser(prog="gpunn", description="launch")
    train.add_to(parser.add_subparsers())
    return parser.parse(args.command, ["train"])


def _resumed_device(folder: Path | None) -> str | None:
    return Config.read(folder).device if folder else None


def _is_cuda(device: str, own: str | None) -> bool:
    """Whether ranks are to have a GPU each."""
    kind, colon, _ = device.partition(":")
    if kind not in ("cpu", "cuda", "emulator") or colon:
        raise UsageError(
            f"launch: device is {brief(device)}, expected cpu, cuda or emulator: which GPU is each rank's own number; "
            "give --device cuda"
        )
    if own and own != device:
        raise UsageError(f"launch: --device is {own} here and {device} in the command; leave one of them away")
    return kind == "cuda"


def _count(asked: int | None, cuda: bool) -> int:
    """The ranks on this machine. UsageError for more than it has GPUs, or than anybody means."""
    gpus = accelerator.device_count() if cuda else 0
    if asked is None and not cuda:
        raise UsageError("launch: how many ranks? expected -n and a number; give one for each core, say -n 2")
    count = gpus if asked is None else asked
    if cuda and not 0 < count <= gpus:
        has = f"{gpus} GPU{'s' if gpus != 1 else ''}"
        remedy = f"give -n {gpus}" if gpus else "see gpunn doctor, or use --device cpu"
        raise UsageError(f"launch: -n is {asked or 'missing'}, but this machine has {has}, one for each rank; {remedy}")
    if count > limits.THREADS:
        raise UsageError(f"launch: -n is {count}, expected at most {limits.THREADS}; give about one for each core")
    return count


def _nodes(args: argparse.Namespace, cuda: bool) -> Nodes:
    """The machines. UsageError where what they need to find each other is missing."""
    if args.nnodes == 1:
        if args.node_rank or args.master:
            raise UsageError("launch: --node-rank and --master are of several machines; give --nnodes, too")
        return Nodes()
    if not cuda:
        raise UsageError(
            "launch: ranks on cpu and emulator of several machines are started by mpiexec itself; use: "
            "mpiexec -hosts HOST,HOST -n 8 gpunn train ..."
        )
    host, _, port = (args.master or "").rpartition(":")
    if not host or not port.isascii() or not port.isdecimal() or not 0 < int(port) < 65000:
        got = brief(args.master) if args.master else "missing"
        raise UsageError(f"launch: --master is {got}, expected HOST:PORT of node 0, say node0:29400; set it on all")
    if args.node_rank >= args.nnodes:
        raise UsageError(
            f"launch: --node-rank is {args.node_rank}, expected 0 to {args.nnodes - 1} of --nnodes {args.nnodes}; "
            "give each machine a number of its own"
        )
    if not os.environ.get(SECRET):
        raise UsageError(f"launch: {SECRET} is not set; set it to the same long random word on all machines")
    return Nodes(args.nnodes, args.node_rank, (host, int(port)))


def _own_options(args: argparse.Namespace, count: int) -> Sequence[str]:
    """The options of launch as they are typed again, without those of the device, which a run has noted."""
    options = ["-n", str(count)]
    if args.restarts:
        options += ["--restarts", str(args.restarts)]
    if args.nnodes > 1:
        options += ["--nnodes", str(args.nnodes), "--node-rank", str(args.node_rank), "--master", args.master]
    if args.device and (args.module or args.command[0] != "train"):
        options += ["--device", args.device]
    return options
