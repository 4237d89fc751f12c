"""The command lines of the programs beside the daemon and its clients: onedb and onedriver."""

import argparse
from typing import NoReturn

FAILED = 255
"""Exit status of a command that could not be carried out."""


class Parser(argparse.ArgumentParser):
    """Answers a line that it does not understand with its help, and with the exit status of all errors."""

    def error(self, message: str) -> NoReturn:
        self.print_help()
        self.exit(FAILED, f"{self.prog}: {message}\n")
