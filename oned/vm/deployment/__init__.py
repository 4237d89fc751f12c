"""Deployment files: what a hypervisor is told of a VM, made from its template and nothing else."""
