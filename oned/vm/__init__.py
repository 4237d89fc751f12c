"""The virtual machine: its states, its life cycle, its document, and what its transitions want from drivers."""
