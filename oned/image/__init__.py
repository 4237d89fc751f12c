"""Images: disks that are registered, and what a VM's disk is made of."""
