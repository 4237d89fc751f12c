"""What a driver is written with: the handshake, the lines, a thread per action, child processes, simulated hosts."""
