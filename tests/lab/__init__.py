"""The lab: a real Linux kernel in an ordinary process, and what is needed to tell stories in it."""
