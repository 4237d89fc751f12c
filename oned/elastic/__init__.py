"""onesge: a batch system whose nodes are VMs that come when jobs wait and go when nothing needs them."""
