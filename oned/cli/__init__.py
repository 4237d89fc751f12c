"""The commands: onevm, onehost, oneuser."""
