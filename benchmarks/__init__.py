"""Benchmarks: ratios taken in alternating pairs in one run, with medians and intervals; never assertions on seconds."""
