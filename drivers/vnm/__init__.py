"""Network drivers: for each NIC the commands that its host needs before, while and after a domain has it."""
