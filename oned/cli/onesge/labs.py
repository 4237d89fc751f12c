"""onesge lab: the use cases as labs that run on this machine, of the source tree's share/examples."""

import subprocess
from pathlib import Path

from oned.cli.command import CommandError, Program
from oned.cli.output import say
from oned.client.client import Client

EXAMPLES = Path(__file__).parents[3] / "share/examples"


def add_labs(program: Program) -> None:
    """Give onesge the verb."""
    program.command("lab", "[<name>]")(_lab)


def _lab(_one: Client, name: str = "") -> int:
    """Lists the labs, or runs one: bursting to EC2, nodes for organisations, a cluster that changes its shape.

    A lab brings up all that it needs on this machine, most of them as root, tells a story with the commands of an
    administrator, and removes everything. Its page is share/examples/NAME/README.md.
    """
    labs = {page.parent.name: page for page in sorted(EXAMPLES.glob("*/README.md"))}
    if not labs:
        raise CommandError(f"The labs belong to the source tree, and this is an installation: there is no {EXAMPLES}")
    if not name:
        for known, page in labs.items():
            say(f"{known:14} {page.read_text().splitlines()[0].lstrip('# ')}")
        return 0
    if name not in labs:
        raise CommandError(f"There is no lab {name}. Labs: {', '.join(labs)}")
    return subprocess.run([labs[name].with_name("run")], check=False).returncode
