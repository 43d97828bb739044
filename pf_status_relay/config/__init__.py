"""Files and environment to a valid Config, or every fault there is."""
