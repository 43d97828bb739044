"""The daemon: when to look, what to write, and whom to tell."""
