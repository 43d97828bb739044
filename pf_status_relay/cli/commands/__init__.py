"""The commands, each in a file of its own: its arguments, what it does, its exit statuses."""
