"""Measurements against the peers; ratios of one run, never absolute claims."""
