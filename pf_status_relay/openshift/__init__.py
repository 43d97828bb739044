"""Kubernetes resources in and out. The daemon imports nothing of it."""
