"""Benchmarks: `python -m bench` lists the suites. Not part of the installed package."""
