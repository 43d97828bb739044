"""One command a file: its arguments, its run and its exit statuses."""
