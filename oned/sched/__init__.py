"""The scheduler: a process of its own that places pending VMs on hosts; an XML-RPC client of the daemon."""
