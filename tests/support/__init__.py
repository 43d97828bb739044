"""Doubles and helpers that several folders of tests use."""
