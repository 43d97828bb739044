"""The benchmark: how fast the relay reacts and what it costs (docs/performance.md)."""
