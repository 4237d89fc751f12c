"""onesge: the commands of the elastic cluster. Each module adds its verbs to the table in `program`."""
