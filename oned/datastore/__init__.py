"""Datastores: places for images, for files and for the directories of VMs."""
