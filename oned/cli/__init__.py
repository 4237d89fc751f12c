"""The one* commands: each a program with a table of its verbs."""
