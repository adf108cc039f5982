"""Who may read what: Kubernetes decides."""
