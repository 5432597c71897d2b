"""The folder and the tiny data of tests that run commands."""

from tests.tiny_runs import here as here
