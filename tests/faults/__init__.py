"""Real workers under load while something breaks; an outside ledger and Redis's own state say whether a job was lost.

`python -m tests.faults --runs 20` runs every fault that often and writes benchmarks/soak.json.
"""
