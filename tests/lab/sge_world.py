"""A real Grid Engine for tests: its master and its nodes, each a machine made of namespaces, on the lab's network.

    @pytest.fixture(scope="module")
    def sge(tmp_path_factory):
        with sge_world(tmp_path_factory.mktemp("sge") / "a") as made:
            yield made

    sge.names({"wn01": "10.77.0.101"})                     names resolve on the master, as after a DHCP entry
    sge.admin("qconf", "-ah", "wn01")                      any command on the master as a manager; what it prints
    GridEngine(sge.place)                                  the same for our own code; sge.place.prefix is for others
    job = sge.submit("sleep", "60")                        by an ordinary user; the job's number
    sge.user("qdel", job)
    node = sge.node("wn01")                                a machine that boots and starts a real sge_execd
    node.crash(); node = sge.node("wn01")                  it loses its power, and boots again
    sge.stop_master(signal.SIGKILL); sge.start_master()    SIGSTOP makes one that hangs, SIGCONT goes on
    sge_world(directory, simulated=True)                   hosts need no machine, only a name: for many of them

The thread that made it is in the network of the lab's front-end (see tests/lab/world.py; options such as 1, "--libvirt"
add hypervisor hosts to the same network), from where the master is 10.77.0.2. Nothing of the machine's own Grid Engine
is touched: /var/lib/gridengine, /var/spool/gridengine, /etc/passwd and /run are others within the machines. The master
has the queue all.q with the host group @allhosts, without hosts; it reacts at once (schedule_interval 1 s), hears of
its nodes each 2 s and misses them after 15.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from share.lab.machine import MASTER, Machine, prepare
from share.lab.sge import GROUP, MASTER_ADDRESS, QUEUE, SgeWorld
from tests.lab.world import world
from tests.needs import need_programs

__all__ = ["GROUP", "MASTER", "MASTER_ADDRESS", "QUEUE", "Machine", "SgeWorld", "prepare", "sge_world"]


@contextlib.contextmanager
def sge_world(directory: Path, hosts: int = 0, *options: str, simulated: bool = False) -> Iterator[SgeWorld]:
    """A cluster without nodes, with so many hypervisor hosts beside it, until the block is left.

    simulated  a registered host counts as alive without a machine, and a job lasts as long as its first argument says
    """
    need_programs("sge_qmaster", "sge_execd", "qconf", "setpriv")
    with world(directory, hosts, *options) as lab:
        made = SgeWorld(lab)
        try:
            made.up(simulated=simulated)
            yield made
        finally:
            made.down()
