"""The XML-RPC client of the commands, the scheduler and the elastic service; light to import."""
