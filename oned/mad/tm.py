"""The request of transfer drivers (TM): one form in every era; eras differ in the script it names."""

from oned.command import Command
from oned.mad.contract import Source, Unspeakable, Writer
from oned.mad.line import as_in_6


def request(command: Command, _: Source) -> str:
    """`TRANSFER <id> <script>`. Raises Unspeakable."""
    if command.verb != "TRANSFER":
        raise Unspeakable(f"a transfer driver has no request {command.verb}")
    return f"TRANSFER {command.oid} {command.arguments['local_file']}"


def request6(command: Command, source: Source) -> str:
    """The same with two blanks before the id. Raises Unspeakable."""
    return as_in_6(request(command, source))


DIALECTS: dict[str, Writer] = {"classic": request, "datastore": request, "datastore6": request6}
DEFAULT, FOR_ALL = "classic", "datastore"
"""Of a section with a name, as until 3.2; of one without, whose driver serves all types since 3.4."""
