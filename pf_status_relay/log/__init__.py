"""Events to the journal or to JSON lines. Nothing waits for it."""
