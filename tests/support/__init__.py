"""Doubles and helpers that several shelves of tests use."""
