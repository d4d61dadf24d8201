"""Benchmarks, side by side on one machine; each run writes ``bench/results/*.json`` and prints a table."""
