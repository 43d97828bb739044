"""A real kernel as a process: how it is built and booted, and how a scenario gets into it."""
