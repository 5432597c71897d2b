"""The parser of the command line: a mistake is answered with one line of usage and one of what is wrong."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from typing import Any, NoReturn

from gpunn.errors import suggestion, unknown_name
from gpunn.text import one_line


class Parser(argparse.ArgumentParser):
    """An ArgumentParser whose errors are two lines, and name what is most like a mistyped command or option."""

    def __init__(self, *args: Any, **options: Any):
        super().__init__(*args, **options)
        self.set_defaults(parser=self)  # a command's own, where there is one

    def parse(self, argv: Sequence[str], commands: Sequence[str]) -> argparse.Namespace:
        """The options of a command line, which has one of the commands; exits with status 2 where it makes no sense."""
        command = next((word for word in argv if not word.startswith("-")), None)
        if command is not None and command not in commands:
            self.error(str(unknown_name("command", command, commands)))
        args, rest = self.parse_known_args(argv)
        if rest:
            options = re.findall(r"--[a-z][a-z-]*", args.parser.format_help())
            what = "option" if rest[0].startswith("-") else "argument"
            args.parser.error(f"unknown {what} {rest[0]!r}{suggestion(rest[0].partition('=')[0], options)}")
        if command is None:
            self.error(f"which command? choose from {', '.join(commands)}; start with: gpunn train lenet5")
        return args

    def error(self, message: str) -> NoReturn:
        """Say in two lines what is wrong, and exit with status 2."""
        usage = f"usage: {self.prog} [OPTIONS] ...; {self.prog} --help names them"
        self.exit(2, f"{usage}\n{self.prog}: error: {one_line(message, 1000)}\n")
