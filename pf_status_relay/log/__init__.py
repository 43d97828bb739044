"""Events to the journal or to JSON lines, and from the journal back. Nothing waits for it."""
