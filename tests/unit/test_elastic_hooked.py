"""Nodes without the loop: which VM is which node, what its state wants, and that order and number do not matter."""

import itertools
from collections.abc import Collection

import pytest

from oned.client.documents import Document, parse
from oned.client.states import VM_STATES
from oned.elastic.batch import Member, Observed, Refused
from oned.elastic.hooked import NoNode, Trust, Wanted, node_of, settle, wanted
from oned.elastic.reading import Host

NUMBERS = {name: (state, lcm) for state, lcm, name, _ in VM_STATES}


class Cluster:
    """A batch system of hosts only: host → enabled."""

    def __init__(self) -> None:
        self.hosts: dict[str, bool] = {}
        self.members: dict[str, Member] = {}
        self.busy: set[str] = set()

    def observe(self) -> Observed:
        return Observed(0.0, (), tuple(Host(name, 1, enabled=enabled) for name, enabled in self.hosts.items()))

    def register(self, members: Collection[Member]) -> Refused:
        for member in members:
            self.hosts.setdefault(member.name, False)
            self.members[member.name] = member
        return {}

    def enable(self, names: Collection[str]) -> Refused:
        self.hosts.update(dict.fromkeys(names, True))
        return {}

    def drain(self, names: Collection[str]) -> Refused:
        assert set(names) <= set(self.hosts)
        self.hosts.update(dict.fromkeys(names, False))
        return {}

    def release(self, names: Collection[str], *, kill: bool) -> Refused:
        left = {name: "job 7 cannot be started again" for name in names if name in self.busy and not kill}
        self.busy -= set(names) - set(left)
        return left

    def remove(self, names: Collection[str]) -> Refused:
        for name in names:
            self.hosts.pop(name, None)
        return {}


US = Trust(3, queues=frozenset({"@cloud"}))


def vm(number: int, state: str, ip: str = "10.9.0.3", extra: str = "", uid: int = 3) -> Document:
    first, lcm = NUMBERS[state]
    return parse(
        f"<VM><ID>{number}</ID><UID>{uid}</UID><UNAME>u{uid}</UNAME><NAME>any</NAME><STATE>{first}</STATE><LCM_STATE>{lcm}</LCM_STATE><TEMPLATE><VCPU>2</VCPU>"
        f"<NIC><NETWORK_ID>4</NETWORK_ID><IP>192.168.0.9</IP></NIC><NIC><NETWORK_ID>5</NETWORK_ID><IP>{ip}</IP></NIC>"
        f"</TEMPLATE><USER_TEMPLATE>{extra}</USER_TEMPLATE></VM>"
    )


def network(number: int, holder: int | None = None, uid: int = 0) -> Document:
    lease = f"<LEASES><LEASE><IP>10.9.0.3</IP><VM>{holder}</VM></LEASE></LEASES>" if holder is not None else ""
    sge = "<SGE>yes</SGE><SGE_QUEUES>@allhosts all.q</SGE_QUEUES>" if number == 5 else ""
    return parse(
        f"<VNET><ID>{number}</ID><UID>{uid}</UID><UNAME>u{uid}</UNAME><NAME>n{number}</NAME><TEMPLATE>{sge}</TEMPLATE><AR_POOL><AR><SIZE>9</SIZE>"
        f"<IP>10.9.0.1</IP><MAC>02:00:0a:09:00:01</MAC>{lease}</AR></AR_POOL></VNET>"
    )


def hook(cluster: Cluster, document: Document, holder: int | None, *, kill: bool = False) -> tuple[str, Refused]:
    return settle(node_of(document, lambda number: network(number, holder), "wn%02d", US), cluster, kill=kill)


def test_a_vm_is_the_node_of_its_address_in_the_network_for_nodes() -> None:
    node = node_of(vm(7, "RUNNING"), network, "wn%02d", US)
    assert node.member == Member("wn03", "10.9.0.3", 2, queues=frozenset({"@allhosts", "all.q"}))
    own = "<SGE_SLOTS>6</SGE_SLOTS><SGE_QUEUES>@cloud</SGE_QUEUES>"
    node = node_of(vm(7, "RUNNING", extra=own), network, "wn%02d", US)
    assert (node.member.slots, node.member.queues) == (6, frozenset({"@cloud"}))


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (vm(7, "RUNNING", "10.9.9.9"), "does not have any more"),
        (vm(7, "RUNNING", extra="<ONESGE><CLUSTER>c</CLUSTER></ONESGE>"), "which onesge run looks after"),
        (parse("<VM><ID>7</ID><TEMPLATE/></VM>"), "no NIC in a network with SGE = YES"),
    ],
)
def test_other_vms_are_told_apart(document: Document, reason: str) -> None:
    with pytest.raises(NoNode, match=reason):
        node_of(document, network, "wn%02d", US)


def test_the_vm_of_just_anybody_becomes_no_node_and_no_template_says_how_much_it_takes() -> None:
    greedy = "<SGE_SLOTS>500</SGE_SLOTS><SGE_QUEUES>all.q</SGE_QUEUES>"
    bobs = vm(7, "RUNNING", extra=greedy, uid=9)
    with pytest.raises(NoNode, match=r"VM 7 is u9's, whom OWNERS of PLAIN_HOOKS in onesge.conf does not name"):
        node_of(bobs, network, "wn%02d", US)
    with pytest.raises(NoNode, match="network n5 is u9's"):
        node_of(vm(7, "RUNNING"), lambda number: network(number, uid=9), "wn%02d", US)
    named = Trust.of(3, {"OWNERS": "ann, u9", "SLOTS": "16"}, frozenset({"all.q"}))
    assert node_of(bobs, network, "wn%02d", named).member.slots == 16
    wish = vm(7, "RUNNING", extra="<SGE_QUEUES>gold.q</SGE_QUEUES>")
    with pytest.raises(NoNode, match=r"VM 7 wants to be in gold.q, which QUEUES of PLAIN_HOOKS does not name"):
        node_of(wish, network, "wn%02d", named)
    wide = Trust.of(3, {"QUEUES": "gold.q"}, frozenset())
    assert node_of(wish, network, "wn%02d", wide).member.queues == {"gold.q"}


def test_every_state_of_a_vm_wants_something_that_was_thought_of() -> None:
    by_want = {want: [name for _, _, name, _ in VM_STATES if wanted(name) is want] for want in Wanted}
    assert "RUNNING" in by_want[Wanted.UP]
    assert {"DONE", "STOPPED", "POWEROFF", "EPILOG", "BOOT_FAILURE", "SUSPENDED"} <= set(by_want[Wanted.DOWN])
    assert {"UNKNOWN", "SHUTDOWN"} <= set(by_want[Wanted.QUIET])
    assert {"BOOT", "PROLOG", "SAVE_MIGRATE", "PROLOG_MIGRATE", "INIT"} <= set(by_want[Wanted.NOTHING])


def test_a_node_comes_is_quiet_and_goes_with_its_vm() -> None:
    cluster = Cluster()
    said, refused = hook(cluster, vm(7, "RUNNING"), 7)
    assert (said, refused, cluster.hosts) == ("wn03: VM 7 is RUNNING, jobs may start on it", {}, {"wn03": True})
    hook(cluster, vm(7, "UNKNOWN"), 7)
    assert cluster.hosts == {"wn03": False}
    hook(cluster, vm(7, "RUNNING"), 7)
    hook(cluster, vm(7, "PROLOG_MIGRATE"), 7)
    assert cluster.hosts == {"wn03": True}
    said, _ = hook(cluster, vm(7, "DONE"), None)
    assert (said, cluster.hosts) == ("wn03: VM 7 is DONE, the batch system forgets it", {})


def test_an_old_vm_does_not_take_the_name_from_a_new_one() -> None:
    cluster = Cluster()
    hook(cluster, vm(8, "RUNNING"), 8)
    said, _ = hook(cluster, vm(7, "DONE"), 8)
    assert (said, cluster.hosts) == ("wn03 is VM 8's by now: nothing is done for VM 7", {"wn03": True})


def test_hooks_in_any_order_and_number_end_in_the_same() -> None:
    # VM 7 has ended and VM 8 runs under its address: each hook reads that, whenever it comes
    for order in itertools.permutations(["7 up", "7 down", "8 up", "7 down"]):
        cluster = Cluster()
        for late in order:
            hook(cluster, vm(7, "DONE") if late.startswith("7") else vm(8, "RUNNING"), 8)
        assert cluster.hosts == {"wn03": True}, order


def test_a_job_that_cannot_start_again_keeps_its_node_unless_it_may_be_ended() -> None:
    cluster = Cluster()
    hook(cluster, vm(7, "RUNNING"), 7)
    cluster.busy = {"wn03"}
    _, refused = hook(cluster, vm(7, "DONE"), None)
    assert refused == {"wn03": "job 7 cannot be started again"}
    assert cluster.hosts == {"wn03": False}
    assert hook(cluster, vm(7, "DONE"), None, kill=True)[1] == {}
    assert cluster.hosts == {}


def test_a_vm_that_never_was_a_node_may_be_down_twice() -> None:
    cluster = Cluster()
    for _ in range(2):
        assert hook(cluster, vm(7, "DONE"), None)[1] == {}
