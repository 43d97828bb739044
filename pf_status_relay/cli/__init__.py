"""Arguments, output for a person, exit statuses. It may import every wing; no wing imports it."""
