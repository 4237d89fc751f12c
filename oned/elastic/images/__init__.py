"""Images on their way out of oned: to S3, and from there to AMIs of EC2. A client of oned and of AWS."""
