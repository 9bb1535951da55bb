"""Measures headrace side by side with its peers: `python -m benchmarks`, or `make bench`.

Imported by nothing; the product never depends on it. README.md says what is measured and how to read it.
"""
