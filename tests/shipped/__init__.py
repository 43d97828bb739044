"""What the package installs beside the program: unit, spec, catalog, manual, completion, alerts."""
