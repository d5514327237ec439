"""A page of all runs: scores, curves, settings and verdicts, as a file or live."""
