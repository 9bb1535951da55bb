"""Proofs that take a million jobs: through kill -9 every few seconds, and beside a million dead letters.

`python -m tests.soak kills dead-letters --jobs 1000000` runs them and writes benchmarks/soak.json.
"""
