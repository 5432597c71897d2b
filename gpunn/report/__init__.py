"""The report of a run or of an ensemble: one HTML page with its pictures in it, for any browser."""

from gpunn.report.write import FILE as FILE
from gpunn.report.write import write_report as write_report
