"""XML-RPC over HTTP: bytes to values and back, and the server under /RPC2. It knows nothing of methods or objects."""
