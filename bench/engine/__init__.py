"""The engine's speed against its peers, on rehearsal machines: ``python -m bench.engine --json``."""
