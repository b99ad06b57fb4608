"""Benchmarks: ratios against a floor that is measured again in the same run."""
