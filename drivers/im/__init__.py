"""Information drivers: what a host has and how much of it is used."""
