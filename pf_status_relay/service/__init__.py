"""The daemon: when to look at PFs, what to write, and what to report."""
