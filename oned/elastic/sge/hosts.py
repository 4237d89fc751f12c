"""Nodes made known to Grid Engine and forgotten again: read, act on many at once, read back.

Nothing here writes an object back as a whole (`-M*`): values of hosts are added to lists and taken out of them, so
what an administrator changes at the same time is kept. Names are short names that the master resolves.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence

from oned.elastic.batch import Member
from oned.elastic.sge import read
from oned.elastic.sge.cell import Cell, facts_of, read_cell, read_queues, short
from oned.elastic.sge.commands import Commands
from oned.elastic.sge.read import CLOUD, Instance

DISABLED = "d"
Instances = Mapping[str, Mapping[str, Instance]]


def register(commands: Commands, members: Collection[Member]) -> dict[str, str]:
    """Make hosts known, each of their queue instances disabled. What was not done, by host."""
    refused = unresolved(commands, {member.name: member.address for member in members})
    able = [member for member in members if member.name not in refused]
    cell = read_cell(commands)
    new = [member for member in able if not _is_complete(member, cell, commands)]
    untold = {*(member.name for member in new), *_not_told(commands, able)}
    said = _make_known(commands, cell, new) if new else ""
    said += _tell_complexes(commands, [member for member in able if member.name in untold])
    return refused | _not_registered(commands, able, new, said)


def _is_complete(member: Member, cell: Cell, commands: Commands) -> bool:
    """Whether the host is known with all that belongs to it; then it is left as it is, in use or not."""
    queues, groups = places(commands, member)
    named = member.name in cell.admins & cell.execs
    return named and set(groups) <= set(cell.groups_of(member.name)) and set(queues) <= set(cell.queues_of(member.name))


def _make_known(commands: Commands, cell: Cell, new: Sequence[Member]) -> str:
    """Administrative hosts, slots, disabled at the start, and last the host groups: with them the instances appear."""
    said = []
    if strange := [member.name for member in new if member.name not in cell.admins]:
        said.append(commands.act("qconf", "-ah", ",".join(strange)))
    for queue, own in _by(new, commands, 0).items():
        fresh = [member for member in own if not _has_instance(cell, member, commands)]
        said.append(_set(commands, queue, "slots", {member.name: str(member.slots) for member in own}))
        said.append(_set(commands, queue, "initial_state", {member.name: "disabled" for member in fresh}))
    for group, own in _by(new, commands, 1).items():
        missing = [member.name for member in own if member.name not in cell.groups.get(group, ())]
        if missing:
            said.append(commands.act("qconf", "-aattr", "hostgroup", "hostlist", " ".join(missing), group))
    return "".join(said)


def _has_instance(cell: Cell, member: Member, commands: Commands) -> bool:
    return any(member.name in cell.groups.get(group, ()) for group in places(commands, member)[1])


def _set(commands: Commands, queue: str, attribute: str, values: Mapping[str, str]) -> str:
    """Give hosts a value of their own in a queue, in one command."""
    if not values:
        return ""
    given = ",".join(f"[{name}={value}]" for name, value in values.items())
    return commands.act("qconf", "-mattr", "queue", attribute, given, queue)


def _tell_complexes(commands: Commands, members: Sequence[Member]) -> str:
    """Tell what nodes offer; memory, where SGE_MEMORY names a complex; being in a cloud, where there is a complex."""
    if not members:
        return ""
    known = set(facts_of(commands.text("qconf", "-sc")))
    groups: dict[str, list[str]] = {}
    for member in members:
        facts = [f"{name}={value}" for name, value in member.offers]
        if commands.place.memory and member.memory and commands.place.memory not in dict(member.offers):
            facts.append(f"{commands.place.memory}={member.memory}M")
        if CLOUD in known:
            facts.append(f"{CLOUD}={str(member.cloud).upper()}")
        if facts:
            groups.setdefault(",".join(facts), []).append(member.name)
    return "".join(
        commands.act("qconf", "-mattr", "exechost", "complex_values", facts, *names) for facts, names in groups.items()
    )


def _not_registered(commands: Commands, members: Sequence[Member], new: Sequence[Member], said: str) -> dict[str, str]:
    """What is not as it was asked for, read back; instances of new hosts that are enabled all the same are disabled."""
    now = read.instances(commands.read("qhost", "-q", "-xml"))
    lack = _not_told(commands, members)
    named = {member.name for member in new}
    enabled = [name for name in sorted(named) if not _all_disabled(now.get(name, {}))]
    if enabled:
        said += commands.act("qmod", "-d", _every_queue(enabled))
        now = read.instances(commands.read("qhost", "-q", "-xml"))
    refused = {}
    for member in members:
        reason = _missing(commands, member, now.get(member.name), fresh=member.name in named)
        if reason := reason or lack.get(member.name, ""):
            refused[member.name] = _with_words(reason, member.name, said)
    return refused


def _not_told(commands: Commands, members: Sequence[Member]) -> dict[str, str]:
    """What hosts do not offer though they were told to, by host."""
    names = sorted({name for member in members for name, _ in member.offers})
    if not names:
        return {}
    told = {host.name: dict(host.offers) for host in read.hosts(commands.read("qhost", "-F", ",".join(names), "-xml"))}
    lack = {
        member.name: [name for name, _ in member.offers if name not in told.get(member.name, {})] for member in members
    }
    return {
        name: f"it does not offer {' and '.join(missing)} (COMPLEX_VALUES, SGE_MEMORY): look for it with qconf -sc"
        for name, missing in lack.items()
        if missing
    }


def _missing(commands: Commands, member: Member, instances: Mapping[str, Instance] | None, *, fresh: bool) -> str:
    queues, groups = places(commands, member)
    if instances is None:
        return "it is no execution host"
    for queue in queues:
        if queue not in instances:
            return (
                f"{queue} has no instance there: is {' or '.join(groups)} in its hostlist? Look with qconf -sq {queue}"
            )
        slots = instances[queue].slots
        if slots != member.slots:
            return f"{queue} has {slots} slots there, not {member.slots}: remove the node first, it is from before"
        if fresh and not _all_disabled(instances):
            return "its queue instances could not be disabled"
    return ""


# -- jobs may start or not --------------------------------------------------------------------------------------------


def enable(commands: Commands, names: Collection[str]) -> dict[str, str]:
    """Let jobs start on hosts, also after their execd was started anew. What was not done, by host."""
    refused, known = _known_instances(commands, names)
    if not known:
        return refused
    said = ""
    for queue in read_queues(commands).values():
        own = queue.own.get("initial_state", {})
        said += _set(commands, queue.name, "initial_state",
                     {name: "default" for name in known if own.get(name) == "disabled"})  # fmt: skip
    said += commands.act("qmod", "-e", _every_queue(known))
    now = read.instances(commands.read("qhost", "-q", "-xml"))
    for name in known:
        if any(DISABLED in instance.state for instance in now.get(name, {}).values()):
            refused[name] = _with_words("it is still disabled", name, said)
    return refused


def drain(commands: Commands, names: Collection[str]) -> dict[str, str]:
    """Let no further job start on hosts. What was not done, by host."""
    refused, known = _known_instances(commands, names)
    if not known:
        return refused
    said = commands.act("qmod", "-d", _every_queue(known))
    now = read.instances(commands.read("qhost", "-q", "-xml"))
    for name in known:
        if not _all_disabled(now.get(name, {})):
            refused[name] = _with_words("it is still enabled", name, said)
    return refused


def _known_instances(commands: Commands, names: Collection[str]) -> tuple[dict[str, str], list[str]]:
    """Refusals of hosts without queue instances, and the hosts that have some, in order."""
    now = read.instances(commands.read("qhost", "-q", "-xml"))
    refused = {name: "it has no queue instance: it is not registered" for name in names if not now.get(name)}
    return refused, sorted(set(names) - set(refused))


# -- forgotten --------------------------------------------------------------------------------------------------------


def remove(commands: Commands, names: Collection[str]) -> dict[str, str]:
    """Forget hosts on which no job is. What was not done, by host."""
    cell = read_cell(commands)
    known = sorted(name for name in names if cell.knows(name))
    if not known:
        return {}
    now = read.instances(commands.read("qhost", "-q", "-xml"))
    if running := [name for name in known if now.get(name)]:
        commands.act("qmod", "-d", _every_queue(running))
        now = read.instances(commands.read("qhost", "-q", "-xml"))
    refused = {name: f"{used} slots of it are taken by jobs" for name in known if (used := _used(now.get(name, {})))}
    said = _forget(commands, cell, [name for name in known if name not in refused])
    after = read_cell(commands)
    for name in known:
        if name not in refused and after.knows(name):
            refused[name] = _with_words(f"{_what_knows(after, name)} still names it", name, said)
    return refused


def _forget(commands: Commands, cell: Cell, names: Sequence[str]) -> str:
    """Take the hosts out of host groups and queues, then away as execution and as administrative hosts."""
    said = []
    for group, members in cell.groups.items():
        if listed := [name for name in names if name in members]:
            said.append(commands.act("qconf", "-dattr", "hostgroup", "hostlist", " ".join(listed), group))
    for (
        name
    ) in names:  # one after the other: qconf reads the queue and writes it back, and two of them lose one's change
        said += [commands.act("qconf", "-purge", "queue", "*", f"{queue}@{name}") for queue in cell.queues_of(name)]
    for option, known in (("-de", cell.execs), ("-dconf", cell.configs), ("-dh", cell.admins)):
        if left := [name for name in names if name in known]:
            said.append(commands.act("qconf", option, ",".join(left)))
    return "".join(said)


def _what_knows(cell: Cell, name: str) -> str:
    if name in cell.execs:
        return "the list of execution hosts (qconf -sel)"
    if name in cell.admins:
        return "the list of administrative hosts (qconf -sh)"
    if name in cell.configs:
        return "the list of configurations (qconf -sconfl)"
    return " and ".join([*cell.groups_of(name), *cell.queues_of(name)])


# -- names ------------------------------------------------------------------------------------------------------------


def unresolved(commands: Commands, addresses: Mapping[str, str]) -> dict[str, str]:
    """Why the names of hosts cannot be given to the master: each leads to its address there, and that back to it.

    An address of "" is any.

    It is asked before the master is: a name that does not resolve may hold up the whole master until the name
    servers have been given up.
    """
    if not addresses:
        return {}
    forward = _leads_to(commands, "ahostsv4", addresses)
    back = _leads_to(commands, "hosts", set(forward.values())) if forward else {}
    refused = {}
    for name, address in addresses.items():
        found = forward.get(name, "")
        if not found:
            refused[name] = "its name does not resolve on the master. Add it to DNS or to /etc/hosts there"
        elif address and found != address:
            refused[name] = f"its name leads to {found} on the master, not to {address}"
        elif name not in back.get(found, "").split():
            refused[name] = (f"its address {found} leads to {back.get(found) or 'no name'} on the master, "
                             f"not to {name}")  # fmt: skip
    return refused


def _leads_to(commands: Commands, base: str, keys: Iterable[str]) -> dict[str, str]:
    """What getent finds: name → address for `ahostsv4`, address → short names for `hosts`."""
    said = commands.other("getent", base, *keys).output.decode(errors="replace")
    found = {}
    for line in said.splitlines():
        words = line.split()
        if base == "hosts" and len(words) > 1:
            found[words[0]] = " ".join(map(short, words[1:]))
        elif len(words) > 2 and words[1] == "STREAM":
            found[short(words[2])] = words[0]
    return found


# -- words ------------------------------------------------------------------------------------------------------------


def places(commands: Commands, member: Member) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The queues and the host groups that a node is to be in."""
    return commands.place.stand(member.queues)


def _by(members: Iterable[Member], commands: Commands, which: int) -> dict[str, list[Member]]:
    """Members by queue (0) or by host group (1)."""
    found: dict[str, list[Member]] = {}
    for member in members:
        for name in places(commands, member)[which]:
            found.setdefault(name, []).append(member)
    return found


def _every_queue(names: Iterable[str]) -> str:
    return ",".join(f"*@{name}" for name in names)


def _all_disabled(instances: Mapping[str, Instance]) -> bool:
    return all(DISABLED in instance.state for instance in instances.values())


def _used(instances: Mapping[str, Instance]) -> int:
    return sum(instance.used for instance in instances.values())


def _with_words(reason: str, name: str, said: str) -> str:
    """A reason with what the commands said of the host."""
    lines = [line.strip() for line in said.splitlines() if name in line.replace('"', " ").replace(".", " ").split()]
    return f"{reason}; Grid Engine said: {lines[-1]}" if lines else reason
