"""VM templates: what VMs are instantiated from."""
