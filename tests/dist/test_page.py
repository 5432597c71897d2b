"""What the page of ranks shows, runs."""

import re
from pathlib import Path

from gpunn import dist
from gpunn.cli import build_parser

PAGE = (Path(dist.__file__).parent / "README.md").read_text()


def test_its_programs_run_as_printed():
    names = {}
    try:
        for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
            exec(block, names)
        assert names["trainer"].history[-1]["train_loss"] < names["trainer"].history[0]["train_loss"]
    finally:
        dist.destroy_process_group()


def test_its_commands_are_parsed():
    commands = re.findall(r"`(?:torchrun[^`]*--no-python |mpiexec -n 4 )?(gpunn [^`]*)`", PAGE)
    words = [command.replace(" ...", " lenet5").split()[1:] for command in commands]
    assert len([build_parser().parse_args(one) for one in words if len(one) > 1]) >= 5
