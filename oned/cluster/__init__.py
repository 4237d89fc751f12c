"""Clusters: hosts, datastores and networks that belong together."""
