"""The tests: one file per module of the program, and the lab."""
