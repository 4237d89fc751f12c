"""What all pool objects share: their XML document, their stored form, their owner and permissions."""
