"""Comparing methods over many seeds."""
