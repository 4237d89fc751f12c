"""The batch side for Grid Engine: the only part that knows its words and commands."""
