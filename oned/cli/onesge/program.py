"""onesge: nodes of a batch system that come when jobs wait and go when nothing needs them."""

import sys
from collections.abc import Sequence

from oned.cli.command import Program
from oned.cli.onesge.audit import add_audit
from oned.cli.onesge.border import telling
from oned.cli.onesge.classes import add_classes
from oned.cli.onesge.conf import PRINT_CONFIG, add_conf
from oned.cli.onesge.cost import add_cost
from oned.cli.onesge.doctor import add_doctor
from oned.cli.onesge.hooks import add_hooks
from oned.cli.onesge.images import add_images
from oned.cli.onesge.labs import add_labs
from oned.cli.onesge.live import add_live
from oned.cli.onesge.nodes import add_nodes
from oned.cli.onesge.reap import add_reap
from oned.cli.onesge.replay import add_replay
from oned.cli.onesge.run import add_run
from oned.cli.onesge.status import add_status
from oned.cli.onesge.vpn import add_vpn

program = Program("onesge", "runs and explains a batch cluster whose nodes are virtual machines")

add_status(program)
add_live(program)
add_run(program)
add_nodes(program)
add_reap(program)
add_audit(program)
add_hooks(program)
add_classes(program)
add_cost(program)
add_images(program)
add_vpn(program)
add_replay(program)
add_doctor(program)
add_labs(program)
add_conf(program)


def main(argv: Sequence[str] | None = None) -> int:
    """The exit code of a command line."""
    words = list(sys.argv[1:] if argv is None else argv)
    return telling(program, ["config", *words[1:]] if words[:1] == [PRINT_CONFIG] else words)
