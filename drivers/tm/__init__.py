"""Transfer drivers: the files of VMs."""
