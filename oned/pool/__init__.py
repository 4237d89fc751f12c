"""Live objects by id and name. Tables are their durable copy; nothing here asks the data base while serving."""
