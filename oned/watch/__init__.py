"""What can be watched over HTTP beside the calls: /metrics and /events."""
