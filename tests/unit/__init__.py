"""Unit tests, mirroring the wings of the package."""
