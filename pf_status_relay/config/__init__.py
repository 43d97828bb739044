"""Files and environment to a valid Config, or a list of all faults."""
