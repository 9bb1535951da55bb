"""A whole fleet while something breaks between it and the operator: what is unknown must take no worker away.

`catalogue` names the faults, `breaks` and `outages` break this machine's fleet, `trial` says what must hold wherever
the fleet runs. `python -m tests.operator_faults --runs 5` tries every fault that often; see its `--help`.
"""
