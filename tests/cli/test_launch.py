"""gpunn launch: what is refused, once and before any rank starts, and what is started."""

import os

import pytest

from gpunn import accelerator
from gpunn.cli import launch, main
from gpunn.recipes.folders import ROOT

WRONG = [
    ("", "which command? expected train, a script.py or -m MODULE; try: gpunn launch -n 4 train resnet20"),
    ("-n 2", "which command?"),
    ("-n 2 -m", "which command?"),
    ("-n 2 trian lenet5", "unknown command 'trian', expected train, a script.py or -m MODULE; did you mean 'train'?"),
    ("-n 2 launch -n 2 train lenet5", "unknown command 'launch', expected train, a script.py or -m MODULE; try: gpunn"),
    ("-n 2 missing.py", "there is no file 'missing.py'; give the path of a script"),
    ("train lenet5", "how many ranks? expected -n and a number; give one for each core, say -n 2"),
    ("-n 5000 train lenet5", "-n is 5000, expected at most 1024; give about one for each core"),
    ("-n 3 train lenet5 --device cuda", "-n is 3, but this machine has 2 GPUs, one for each rank; give -n 2"),
    (
        "-n 2 train lenet5 --device cuda:1",
        "device is 'cuda:1', expected cpu, cuda or emulator: which GPU is each rank's",
    ),
    ("-n 2 --device cuda train lenet5 --device cpu", "--device is cuda here and cpu in the command; leave one of them"),
    (
        "-n 2 --nnodes 2 train lenet5",
        "of several machines are started by mpiexec itself; use: mpiexec -hosts HOST,HOST",
    ),
    ("-n 2 --node-rank 1 train lenet5", "--node-rank and --master are of several machines; give --nnodes, too"),
    ("-n 2 --nnodes 2 --device cuda train lenet5", "--master is missing, expected HOST:PORT of node 0"),
    ("-n 2 --nnodes 2 --master a:x --device cuda train lenet5", "--master is 'a:x', expected HOST:PORT of node 0"),
    (
        "-n 2 --nnodes 2 --node-rank 2 --master a:29400 --device cuda train lenet5",
        "--node-rank is 2, expected 0 to 1 of --nnodes 2; give each machine a number of its own",
    ),
    (
        "-n 2 --nnodes 2 --master a:29400 --device cuda train lenet5",
        "GPUNN_DIST_SECRET is not set; set it to the same long random word on all machines",
    ),
    ("-n 2 train --resume nowhere", "nowhere is no run folder: config.json cannot be read"),
]
# What the parser refuses, of its own options and of train's.
MISTYPED = [
    ("-n 0 train lenet5", "'0' is no whole number of at least 1"),
    ("-n 2 --restarts -1 train lenet5", "'-1' is no whole number of at least 0"),
    ("-n 2 train lenet5 --epoch 1 --bach-size 3", "unknown option '--bach-size'; did you mean '--batch-size'?"),
]


@pytest.fixture
def plans(monkeypatch, tmp_path):
    """What would have been started, on a machine with two GPUs."""
    made = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(launch, "launch", lambda plan: made.append(plan) or 0)
    monkeypatch.setattr(accelerator, "device_count", lambda: 2)
    return made


def started(line):
    return main(["launch", *line.split()])


@pytest.mark.parametrize("line, words", WRONG)
def test_what_makes_no_sense_is_said_once(plans, capsys, line, words):
    assert started(line) == 2
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith("gpunn: error: ") and words in said
    assert not plans


@pytest.mark.parametrize("line, words", MISTYPED)
def test_a_mistyped_option_is_said_once(plans, capsys, line, words):
    with pytest.raises(SystemExit) as end:
        started(line)
    assert end.value.code == 2 and words in capsys.readouterr().err
    assert not plans


@pytest.mark.parametrize("name", ["GPUNN_STORE", "RANK", "WORLD_SIZE", "PMI_RANK", "OMPI_COMM_WORLD_RANK"])
def test_ranks_start_no_ranks(plans, capsys, monkeypatch, name):
    monkeypatch.setenv(name, "0")
    assert main(["launch", "-n", "2", "train", "lenet5"]) == 2
    assert f"this process is a rank already ({name} is set), and starts no ranks of its own" in capsys.readouterr().err


def test_train_is_started_on_its_device_and_goes_on_in_its_folder(plans):
    assert started("-n 3 --restarts 2 train lenet5 --epochs 2") == 0
    assert started("--device cuda train lenet5") == 0
    cpu, cuda = plans
    assert (cpu.command, cpu.count, cpu.cuda, cpu.restarts) == (["train", "lenet5", "--epochs", "2"], 3, False, 2)
    assert cpu.options == ["-n", "3", "--restarts", "2"]
    assert cpu.go_on("runs/1") == ["train", "--resume", "runs/1"]
    assert (cuda.command, cuda.count, cuda.cuda) == (["train", "lenet5", "--device", "cuda"], 2, True)


def test_scripts_and_modules_are_started_again_as_they_were(plans, tmp_path, monkeypatch):
    monkeypatch.setenv("GPUNN_DIST_SECRET", "word")
    (tmp_path / "mine.py").touch()
    assert started("-n 2 mine.py --lr 3") == 0
    assert started("-n 2 --nnodes 2 --node-rank 1 --master a:29400 --device cuda -m pkg.mod -x") == 0
    script, module = plans
    assert (script.command, script.go_on, script.options) == (["mine.py", "--lr", "3"], None, ["-n", "2"])
    assert (module.command, module.cuda, module.nodes.number) == (["-m", "pkg.mod", "-x"], True, 1)
    assert module.nodes.master == ("a", 29400)
    again = "-n 2 --nnodes 2 --node-rank 1 --master a:29400 --device cuda -m pkg.mod -x"
    assert " ".join([*module.options, *module.command]) == again


def test_a_run_that_goes_on_has_the_device_in_its_folder(plans, monkeypatch):
    monkeypatch.setattr(launch.Config, "read", lambda folder: type("Config", (), {"device": "cuda"}))
    assert main(["launch", "-n", "2", "train", "--resume", os.fspath(ROOT / "1")]) == 0
    assert plans[0].cuda and plans[0].go_on is None
