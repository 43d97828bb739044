"""The words that a scenario is written in."""
