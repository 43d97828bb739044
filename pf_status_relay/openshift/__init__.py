"""Reading and writing Kubernetes resources. The daemon imports nothing from here."""
