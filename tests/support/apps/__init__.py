"""Applications that the tests' workers run. Each handler writes to the outside ledger; none counts on the engine."""
