"""Datastores: for now the system datastore, number 0, where VMs have their directories."""
