"""Virtual networks: address ranges, their leases, and how the networks of older releases become ranges."""
