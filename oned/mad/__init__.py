"""The daemon's end of the driver pipes: processes, lines, dialects, limits and deadlines."""
