"""The stories. README.md beside them says how to write one."""
