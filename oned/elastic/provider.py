"""Nodes as VMs of oned: an address of the class's network, a VM of the class's template with the node's token.

Nothing here knows of jobs. Every call may be repeated: it looks first. Which VMs are ours oned tells: each has the
cluster and the token of its node in its template.
"""

import logging
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from itertools import islice

from oned import clock
from oned.client.client import Client
from oned.client.documents import Document, parse
from oned.client.failures import ClientError, ServerRefused
from oned.client.states import VM_STATES
from oned.elastic.addresses import ON_HOLD, Network
from oned.elastic.mold import Mold, find_amis, find_network, no_image
from oned.elastic.node import STARTING
from oned.elastic.owned import TEMPLATE, named
from oned.elastic.policy import NodeClass, Policies
from oned.elastic.reading import Addresses, Node, Seen, Taken
from oned.elastic.records import Lease, Record
from oned.template.render import xml
from oned.template.template import Template

log = logging.getLogger(__name__)

MARK = "ONESGE"
"""The vector in a VM's template: CLUSTER, CLASS, NODE, TOKEN, OWNER where the node has one."""
MINE, ALL, NOT_DONE = -3, -2, -1
ADOPTED = "adopted"
"""The rule by which a VM becomes a node again whose row is lost."""
DELETE = 3
"""The recovery that removes a VM from whatever it waits for."""
CLOUD_ENDED = ("shutting-down", "terminated")
ENDING = frozenset(("EPILOG", "CLEANUP_DELETE", "CLEANUP_RESUBMIT", "SHUTDOWN", "DONE"))
NO_EXISTS = 0x0400
ENOUGH = 1000
"""Free addresses of a network of which no cycle takes all."""
NOBODY: Mapping[str, int] = {}
_DATED = re.compile(r"^[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d [\d:]{8} \d{4}: ")
"""When an error was: the same one again is no news."""
_STATES = {numbers[:2]: numbers[2] for numbers in VM_STATES}
_ACTIVE = 3

Welcome = Callable[[Record, NodeClass], Mapping[str, str]]
"""What a node is told when it boots: attributes of its CONTEXT."""


class ProviderDown(Exception):
    """oned does not answer. What was asked may have been done: it is asked again, and looked at first."""


class Refusal(Exception):
    """oned will not, and has not; the text says why."""


@dataclass(frozen=True)
class Guest:
    """A VM of ours.

    state  by name
    error  what oned says went wrong, "" for nothing
    ended  why the cloud has ended its instance, "" while it has not
    apart, unknown  as of Seen
    """

    vm: int
    token: str
    node: str
    since: float
    state: str
    error: str
    ended: str = ""
    apart: str = ""
    unknown: bool = False

    def seen(self) -> Seen:
        """As the planner knows it."""
        failed = f"{self.state}: {self.error or 'oned says no more'}" if self.state.endswith("_FAILURE") else ""
        trouble = f"VM {self.vm} is {self.state}: {_DATED.sub('', self.error)}" if self.error else ""
        return Seen(self.vm, self.token, self.since, running=self.state == "RUNNING", failed=failed, ended=self.ended,
                    apart=self.apart, unknown=self.unknown, trouble=trouble, node=self.node)  # fmt: skip


class Provider:
    """The nodes of one cluster. Its calls raise ProviderDown; they are made from one thread.

    pattern  of the names of nodes whose network has no others
    """

    def __init__(self, one: Client, cluster: str, pattern: str, welcome: Welcome) -> None:
        self._one, self._cluster, self._pattern, self._welcome = one, cluster, pattern, welcome
        self._me = -1

    # --- what is there ---

    def guests(self) -> list[Guest]:
        """Our VMs that are not DONE, of the user we are."""
        pool = self._document("one.vmpool.info", MINE, -1, -1, NOT_DONE)
        return [guest for vm in pool.all("VM") if (guest := _guest(vm, self._cluster))]

    def vms(self, known: Mapping[str, int] = NOBODY) -> Taken[Seen]:
        """The same for the planner, with when it was asked.

        known  VMs of nodes, by token. One that the list lacks is asked for: unless it is DONE it is told of as well
        """
        at = clock.now()
        return Taken(at, tuple(guest.seen() for guest in self._all(known)))

    def _all(self, known: Mapping[str, int]) -> list[Guest]:
        """Our VMs that are not DONE, and those of nodes that the list lacks: another user's, or unknown."""
        listed = self.guests()
        there = {guest.token for guest in listed}
        asked = (self._by_id(token, vm) for token, vm in known.items() if vm >= 0 and token not in there)
        return [*listed, *filter(None, asked)]

    def _by_id(self, token: str, number: int) -> Guest | None:
        """What oned says of the VM of a node which is not in its list; None when it is DONE."""
        missing = Guest(number, token, "", 0.0, "UNKNOWN", "")
        try:
            vm = self._document("one.vm.info", number)
        except ServerRefused as refused:
            if refused.code == NO_EXISTS:
                return replace(missing, apart=f"oned has no VM {number}", unknown=True)
            return replace(missing, apart=f"oned does not tell of VM {number}: {refused.text}")
        found = _guest(vm, self._cluster)
        if found is None or found.token != token:
            return replace(missing, apart=f"oned's VM {number} has no mark of it", unknown=True)
        if found.state == "DONE":
            return None
        return replace(found, apart=f"VM {number} is {found.state} and belongs to {vm.text('UNAME')}")

    def node_of(self, number: int, policies: Policies) -> Record | None:
        """The node that a VM of ours was started for, as its mark and its address tell; None where they do not fit."""
        try:
            vm = self._document("one.vm.info", number)
            guest, mark = _guest(vm, self._cluster), vm.first(f"USER_TEMPLATE/{MARK}")
            if guest is None or mark is None or guest.state in ENDING or not policies.has(mark.text("CLASS")):
                return None
            mold = self._mold(policies.klass(mark.text("CLASS")))
            network = self._network(mold.network)
        except (ServerRefused, Refusal):
            return None
        own = [nic.text("IP") for nic in vm.all("TEMPLATE/NIC") if nic.int("NETWORK_ID", -1) == network.id]
        leases = (network.lease(ip, mold.names or self._pattern) for ip in own if ip)
        lease = next((lease for lease in leases if lease is not None and lease.name == guest.node), None)
        node = Node(guest.node, mark.text("CLASS"), STARTING, clock.now(), guest.token, created=guest.since, vm=number,
                    paid_from=guest.since, owner=mark.text("OWNER"))  # fmt: skip
        sentence = f"VM {number} has the mark of this cluster, and the records had no node of it"
        return Record(node, lease, rule=ADOPTED, sentence=sentence) if lease else None

    # --- addresses ---

    def leases(self, klass: NodeClass, count: int, held: Iterable[Record]) -> list[Lease]:
        """So many free addresses with names, fewer if there are no more. Raises Refusal.

        held  nodes whose names and addresses are taken
        """
        mold = self._mold(klass)
        return list(islice(self._free(mold, self._network(mold.network), held), count))

    def addresses(self, classes: Iterable[NodeClass], held: Collection[Record]) -> dict[str, Addresses]:
        """By class how many nodes have an address in its network, or could; classes with ENOUGH are not in it.

        held  as of `leases`; an address that is kept for a while after its node counts too
        """
        network = cache(self._network)
        have = Counter(record.lease.network for record in held)
        found = {}
        for klass in classes:
            try:
                mold = self._mold(klass)
                free = sum(1 for _ in islice(self._free(mold, network(mold.network), held), ENOUGH))
            except Refusal:
                continue  # `unfit` tells
            if free < ENOUGH:
                found[klass.name] = Addresses(mold.network, have[mold.network] + free)
        return found

    def _free(self, mold: Mold, network: Network, held: Iterable[Record]) -> Iterator[Lease]:
        taken = {text for record in held for text in (record.lease.name, record.lease.ip, record.lease.mac)}
        free = network.free(mold.names or self._pattern)
        return (lease for lease in free if not taken & {lease.name, lease.ip, lease.mac})

    def hold(self, records: Collection[Record]) -> Mapping[str, str]:
        """Keep the addresses of nodes from others; by token of the node, why one cannot be kept."""
        refused: dict[str, str] = {}
        holders: dict[str, int | None] = {}
        for number in {record.lease.network for record in records}:
            there = [record for record in records if record.lease.network == number]
            try:
                network = self._network(number)
                holders |= {record.node.token: network.holder(record.lease.ip) for record in there}
            except Refusal as error:
                refused |= {record.node.token: str(error) for record in there}
        vms = {guest.vm: guest.token for guest in self.guests()} if set(holders.values()) - {None, ON_HOLD} else {}
        for record in records:
            if (token := record.node.token) in refused:
                continue
            holder = holders[token]
            if holder is None:
                refused[token] = self._asked("one.vn.hold", record.lease)
            elif holder != ON_HOLD and vms.get(holder) != token:
                refused[token] = f"{record.lease.ip} was taken by VM {holder}"
        return {token: why for token, why in refused.items() if why}

    def keep(self, lease: Lease) -> None:
        """Keep an address from others that a VM had; if somebody has it already, it is his."""
        if why := self._asked("one.vn.hold", lease):
            log.debug("%s is not held: %s", lease.ip, why)

    def release(self, lease: Lease) -> None:
        """Let others have an address; nothing if it is not on hold."""
        if why := self._asked("one.vn.release", lease):
            log.debug("%s is not let go: %s", lease.ip, why)

    def taken(self, leases: Collection[Lease]) -> dict[str, str]:
        """By name, why an address is somebody else's: a VM has it, or its network is not what it was."""
        found: dict[str, str] = {}
        for number in {lease.network for lease in leases}:
            there = [lease for lease in leases if lease.network == number]
            try:
                network = self._network(number)
            except Refusal as refusal:
                found |= {lease.name: str(refusal) for lease in there}
                continue
            holders = {lease: network.holder(lease.ip) for lease in there}
            found |= {one.name: f"VM {vm} has its address" for one, vm in holders.items() if vm not in (None, ON_HOLD)}
            lost = [lease for lease in there if network.lease(lease.ip, self._pattern) is None]
            found |= {lease.name: f"network {network.name} has its address no more" for lease in lost}
        return found

    def _asked(self, method: str, lease: Lease) -> str:
        try:
            self._call(method, lease.network, xml(Template([("LEASES", {"IP": lease.ip})])))
        except ServerRefused as refused:
            return refused.text
        return ""

    # --- the life of a VM ---

    def start(self, nodes: Collection[tuple[Record, NodeClass]]) -> Mapping[str, int | str]:
        """By token of the node its VM, the one that has the token or a new one; or a text: why there is none."""
        ours = self._by_token()
        made: dict[str, int | str] = {}
        for record, klass in nodes:
            token = record.node.token
            try:
                made[token] = ours[token] if token in ours else self._made(record, klass)
            except Refusal as refusal:  # one that was ordered before may be made only now, with its address
                made[token] = self._by_token().get(token, str(refusal))
        return made

    def _by_token(self) -> dict[str, int]:
        """The VM of each token, of several the oldest."""
        return {guest.token: guest.vm for guest in sorted(self.guests(), key=lambda guest: -guest.vm)}

    def _made(self, record: Record, klass: NodeClass) -> int:
        mold = self._mold(klass)
        mark = {"CLUSTER": self._cluster, "CLASS": klass.name, "NODE": record.lease.name, "TOKEN": record.node.token}
        tags = {f"{MARK}_{name}": mark[name] for name in ("CLUSTER", "CLASS", "NODE")}
        added = mold.added(record, self._welcome(record, klass), tags)
        added.add(MARK, mark | ({"OWNER": record.node.owner} if record.node.owner else {}))
        self.release(record.lease)
        try:
            return int(self._call("one.template.instantiate", mold.id, record.lease.name, False, xml(added)))
        except ServerRefused as refused:
            self.keep(record.lease)
            raise Refusal(refused.text) from None

    def stop(self, tokens: Mapping[str, bool], known: Mapping[str, int] = NOBODY) -> None:
        """End all VMs with the tokens; they are gone when `vms` has them no more. True: without asking the guest.

        known  by token the VM that a node has, where the list may lack it
        """
        for guest in self._all(known):
            if guest.token in tokens and not guest.unknown:
                self._end(guest, hard=tokens[guest.token])

    def reap(self, vms: Collection[int]) -> None:
        """End VMs of ours that no node has."""
        for guest in self.guests():
            if guest.vm in vms:
                self._end(guest, hard=True)

    def _end(self, guest: Guest, *, hard: bool) -> None:
        """End a VM, by the way that its state allows."""
        soft = guest.state == "RUNNING" and not hard
        if guest.state in ENDING and not hard:
            return
        try:
            self._call("one.vm.action", "terminate" if soft else "terminate-hard", guest.vm)
        except ServerRefused as refused:
            if refused.code != NO_EXISTS and guest.state not in ENDING:
                log.info("VM %d is %s and cannot be terminated, it is deleted", guest.vm, guest.state)
                self._delete(guest)

    def _delete(self, guest: Guest) -> None:
        try:
            self._call("one.vm.recover", guest.vm, DELETE)
        except ServerRefused as refused:
            log.warning("VM %d of node %s does not go yet: %s", guest.vm, guest.node, refused.text)

    def console(self, token: str) -> str:
        """What oned knows of the VMs of a node that did not come up, for the one who looks for the reason."""
        guests = [guest for guest in self.guests() if guest.token == token]
        return "".join(f"{line}\n" for guest in guests for line in self._told(guest)) or "There is no VM of it.\n"

    def _told(self, guest: Guest) -> Iterator[str]:
        try:
            vm = self._document("one.vm.info", guest.vm)
        except ServerRefused as refused:
            yield refused.text
            return
        yield f"VM {guest.vm} of node {guest.node} is {guest.state}. {guest.error}".rstrip()
        for record in vm.all("HISTORY_RECORDS/HISTORY"):
            yield f"host {record.text('HOSTNAME')} from {record.text('STIME')} to {record.text('ETIME')}"
        yield f"deployed as {vm.text('DEPLOY_ID') or 'nothing'}"
        yield from (f"{item.name} {item.content}" for item in vm.first("MONITORING") or ())

    # --- templates, networks and calls ---

    def _mold(self, klass: NodeClass) -> Mold:
        """The template of a class, and its network for nodes. Raises Refusal."""
        try:
            me, images = self._user(), lambda: self._document("one.imagepool.info", ALL, -1, -1)
            mold = find_amis(Mold.of(self._template(klass, me)), images, me)
            return find_network(mold, self._document("one.vnpool.info", ALL, -1, -1), me)
        except (ServerRefused, LookupError) as error:
            raise Refusal(f"class {klass.name}: {error}") from None

    def unfit(self, classes: Iterable[NodeClass]) -> dict[str, str]:
        """By class why no VM of it can be made, as far as its template tells; the others are not in it."""
        images = cache(lambda: self._document("one.imagepool.info", ALL, -1, -1))
        return {klass.name: why for klass in classes if (why := self._unfit(klass, images))}

    def _unfit(self, klass: NodeClass, images: Callable[[], Document]) -> str:
        try:
            return no_image(self._mold(klass), images)
        except ServerRefused as refused:
            return refused.text
        except Refusal as refusal:
            return str(refusal).removeprefix(f"class {klass.name}: ")

    def _user(self) -> int:
        """The number of the user that we are."""
        if self._me < 0:
            self._me = self._document("one.user.info", -1).int("ID")
        return self._me

    def _template(self, klass: NodeClass, me: int) -> Document:
        """By its number anybody's, by its name ours."""
        if klass.template.isdecimal():
            return self._document("one.template.info", int(klass.template))
        return named(
            self._document("one.templatepool.info", ALL, -1, -1).all("VMTEMPLATE"), klass.template, me, TEMPLATE
        )

    def _network(self, number: int) -> Network:
        try:
            return Network(self._document("one.vn.info", number))
        except ServerRefused as refused:
            raise Refusal(refused.text) from None

    def _document(self, method: str, *arguments: int) -> Document:
        return parse(str(self._call(method, *arguments)))

    def _call(self, method: str, *arguments: int | str | bool) -> int | str:
        """The answer. Raises ServerRefused; ProviderDown for everything else that can go wrong."""
        try:
            answer = self._one.call(method, *arguments)
        except ServerRefused:
            raise
        except ClientError as error:
            raise ProviderDown(str(error)) from error
        assert isinstance(answer, (str, int)), f"{method} answers a text or a number"
        return answer


def _guest(vm: Document, cluster: str) -> Guest | None:
    """A VM of the pool, if it has our mark; None for others."""
    mark = vm.first(f"USER_TEMPLATE/{MARK}")
    if mark is None or mark.text("CLUSTER") != cluster or not mark.text("TOKEN"):
        return None
    number = vm.int("STATE")
    state = _STATES.get((number, vm.int("LCM_STATE") if number == _ACTIVE else 0), "UNKNOWN")
    error = vm.text("USER_TEMPLATE/ERROR")
    ended = _ended(vm) if state == "UNKNOWN" else ""
    return Guest(vm.int("ID"), mark.text("TOKEN"), mark.text("NODE"), vm.float("STIME"), state, error, ended)


def _ended(vm: Document) -> str:
    """Why the instance of a VM in EC2 is no more, as the host has told (share/doc/ec2.md); "" where nothing says so."""
    state = vm.text("MONITORING/AWS_STATE")
    return vm.text("MONITORING/AWS_STATE_REASON") or f"EC2 calls it {state}" if state in CLOUD_ENDED else ""
