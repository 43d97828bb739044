"""Values and pure functions: no socket, no file, no clock, no thread and no log."""
