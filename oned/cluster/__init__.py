"""Clusters: for now the default one, number 0."""
