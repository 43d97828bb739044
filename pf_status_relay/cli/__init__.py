"""Arguments, output for a person, exit statuses. May import every wing; none imports it."""
