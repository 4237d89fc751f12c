"""What Grid Engine prints, read: hosts, jobs, their details, layouts and quotas.

The commands are `qhost -q -F -xml`, `qstat -u * -r -f -xml`, `qstat -j IDS -xml`, `qconf -sp NAME`, `qconf -srqs`, of
8.1.9 and its relatives. Names of hosts are without their domain. Times of `qstat` are in the zone of the master.
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo

from lxml import etree

from oned.elastic.needs import Shared
from oned.elastic.reading import WHOLE, Host, Job, JobState, Part
from oned.elastic.sge.answer import Unreadable, parsed, root_of
from oned.elastic.sge.cell import short
from oned.elastic.sge.complexes import NO_COMPLEXES, Complexes, offered, shared, shown
from oned.elastic.sge.words import NotUnderstood, job_state, layout, mebibytes, slot_range, tasks

UNUSABLE = frozenset("uCsdDEPoaASc")
"""States of a queue instance in which no job starts (qstat(1)). One with too much load (`a`) counts as full."""
MEMORY = ("h_vmem", "virtual_free", "mem_free")
"""Requests that are memory for each slot."""
CLOUD = "cloud"
"""The request that says whether a job is to be in a cloud: a complex of the site, of type BOOL."""
_RERUN = {"1": True, "2": False}
"""JB_restart of a job with `-r y` and `-r n`; 0 is nothing said."""
_RULE = re.compile(r"^allocation_rule\s+(\S+)\s*$", re.MULTILINE)
_NUMBERS = re.compile(rb"<JB_job_number>([0-9]+)</JB_job_number>")


@dataclass(frozen=True)
class Detail:
    """What only `qstat -j` tells of a job.

    submitted, starts  seconds since the epoch; starts is 0 where nothing is said
    rerun              it may be started again from the beginning
    at_once            tasks of an array that may run at once, 0 for any number
    """

    submitted: float
    starts: float
    rerun: bool
    group: str
    project: str
    department: str
    at_once: int


def hosts(
    answer: bytes,
    groups: Mapping[str, Iterable[str]] | None = None,
    *,
    simulated: bool = False,
    known: Complexes = NO_COMPLEXES,
) -> list[Host]:
    """The hosts of `qhost -q -xml`, with -F also what they offer. Groups: name of a host group with its @ → its hosts.

    A host with several queues has the slots of the largest and the jobs of all. It is heard if it ever reported and
    none of its queue instances has a `u`: a dead host may show `u` alone. A simulated one never reports (qmaster_params
    SIMULATE_EXECDS of sge_conf(5)).
    """
    found = []
    for element in root_of(answer, "qhost").iterfind("host"):
        name = short(element.get("name", ""))
        values = {item.get("name"): item.text or "" for item in element.iterfind("hostvalue")}
        queues = {queue.get("name", ""): _queue(queue) for queue in element.iterfind("queue")}
        if name == "global":
            continue
        states = [queue.get("state_string", "") for queue in queues.values()]
        reported = values.get("mem_total", "-") != "-" or (simulated and bool(states))
        used = sum(_number(queue.get("slots_used", "0")) for queue in queues.values())
        found.append(
            Host(
                name=name,
                slots=max((_number(queue.get("slots", "0")) for queue in queues.values()), default=0),
                used=used,
                memory=_size(values.get("mem_total", "-")),
                free=_size(values.get("mem_total", "-")),
                arch=_told(values.get("arch_string", "-")),
                queues=frozenset([*queues, *(f"{queue}@{name}" for queue in queues), *_groups(name, groups or {})]),
                offers=offered(element),
                shown=() if used else shown(element, known),
                heard=reported and not any("u" in state for state in states),
                enabled=any(UNUSABLE.isdisjoint(state) for state in states),
            )
        )
    return found


@dataclass(frozen=True)
class Instance:
    """A queue on a host: its slots, those that jobs have, and the letters of its state."""

    slots: int
    used: int
    state: str


def instances(answer: bytes) -> dict[str, dict[str, Instance]]:
    """The queue instances of `qhost -q -xml`: host → queue → instance. Hosts without any are in it."""
    found = {}
    for element in root_of(answer, "qhost").iterfind("host"):
        facts = {queue.get("name", ""): _queue(queue) for queue in element.iterfind("queue")}
        found[short(element.get("name", ""))] = {
            name: Instance(_number(fact.get("slots", "0")), _number(fact.get("slots_used", "0")),
                           fact.get("state_string", ""))
            for name, fact in facts.items()
        }  # fmt: skip
    found.pop("global", None)
    return found


def numbers(answer: bytes) -> list[str]:
    """The numbers of the jobs in `qstat -r -f -xml`, each once, in their order."""
    return list(dict.fromkeys(number.decode() for number in _NUMBERS.findall(answer)))


def shares(answer: bytes, known: Complexes) -> tuple[Shared, ...]:
    """What all hosts share, by `qhost -F -xml`."""
    elements = [host for host in root_of(answer, "qhost").iterfind("host") if host.get("name") == "global"]
    return tuple(one for element in elements for one in shared(element, known))


def less_taken(found: Iterable[Host], running: Iterable[Job], known: Complexes = NO_COMPLEXES) -> list[Host]:
    """The hosts with the memory that running jobs asked for taken away.

    Where memory is a consumable, Grid Engine lets no job have more than is left of that.
    """
    taken: dict[str, int] = {}
    for job in running:
        for part in job.parts:
            taken[part.node] = taken.get(part.node, 0) + part.slots * job.memory
    counted = known.counts(MEMORY)
    return [replace(host, free=_free(host, taken.get(host.name, 0), counted)) for host in found]


def _free(host: Host, taken: int, counted: Collection[str]) -> int:
    left = [_size(value) for name, value in host.offers if name in counted]
    return min([host.free - taken, *left])


def jobs(
    answer: bytes,
    rules: Mapping[str, str],
    details: Mapping[str, Detail],
    zone: tzinfo,
    usually: Callable[[str, str], float] = lambda _owner, _name: 0.0,
    known: Complexes = NO_COMPLEXES,
) -> list[Job]:
    """The jobs of `qstat -u * -r -f -xml`: what waits of an array is one, each of its running tasks one of its own.

    rules    allocation rule by parallel environment
    zone     of the master, where no details of a job are known
    known    what requests mean
    usually  seconds that jobs of an owner with a name run, 0 unknown: when one without h_rt is expected to end
    A job whose request is not understood is in error state to the planner, and asks for nothing.
    """
    root = root_of(answer, "job_info")
    running: dict[str, Job] = {}
    for queue in root.iterfind("queue_info/Queue-List"):
        node = short((queue.findtext("name") or "").partition("@")[2])
        for element in queue.iterfind("job_list"):
            job = _job(element, rules, details, zone, known)
            if not job.ends and (seconds := usually(job.owner, element.findtext("JB_name") or "")):
                job = replace(job, ends=_time(element.findtext("JAT_start_time") or "", zone) + seconds)
            key = f"{job.id}.{element.findtext('tasks') or ''}"
            parts = (*(running[key].parts if key in running else ()), Part(node, job.slots))
            running[key] = replace(job, id=key.rstrip("."), parts=parts, slots=sum(part.slots for part in parts))
    at_once = _counts(running)
    waiting = [_job(element, rules, details, zone, known) for element in root.iterfind("job_info/job_list")]
    return [*running.values(), *(_held_back(job, details.get(job.id), at_once.get(job.id, 0)) for job in waiting)]


def details(answer: bytes, *, queues_rerun: bool) -> dict[str, Detail]:
    """Details by job of `qstat -j IDS -xml`; jobs that have ended meanwhile are left out.

    queues_rerun  whether the queues start jobs again that say nothing of it (`rerun` of queue_conf(5))
    """
    root = parsed(answer)
    if root.tag == "unknown_jobs":
        return {}
    if root.tag != "detailed_job_info":
        raise Unreadable(f"the answer is {root.tag}, not detailed_job_info")
    found = {}
    for element in root.iterfind("djob_info/element"):
        text = {child.tag: child.text or "" for child in element}
        found[text.get("JB_job_number", "")] = Detail(
            submitted=float(_number(text.get("JB_submission_time", "0"))),
            starts=float(_number(text.get("JB_execution_time", "0"))),
            rerun=_RERUN.get(text.get("JB_restart", "0"), queues_rerun),
            group=text.get("JB_group", ""),
            project=text.get("JB_project", ""),
            department=text.get("JB_department", ""),
            at_once=_number(text.get("JB_ja_task_concurrency", "0")),
        )
    return found


def rule(answer: str) -> str:
    """The allocation rule of `qconf -sp NAME`."""
    found = _RULE.search(answer)
    if not found:
        raise Unreadable("the answer has no allocation_rule")
    return found[1]


def _job(
    element: etree._Element, rules: Mapping[str, str], details: Mapping[str, Detail], zone: tzinfo, known: Complexes
) -> Job:  # fmt: skip
    text = {child.tag: child.text or "" for child in element}
    asked = {item.get("name", ""): item.text or "" for item in element.iterfind("hard_request")}
    number = text.get("JB_job_number", "")
    detail = details.get(number)
    begun = _time(text.get("JAT_start_time", ""), zone)
    job = Job(
        id=number,
        owner=text.get("JB_owner", ""),
        group=detail.group if detail else "",
        project=(detail.project if detail else "") or text.get("JB_project", ""),
        department=(detail.department if detail else "") or text.get("JB_department", ""),
        state=job_state(text.get("state", "")),
        submitted=detail.submitted if detail else _time(text.get("JB_submission_time", ""), zone) or begun,
        slots=max(1, _number(text.get("slots", "1"))),
        arch=asked.get("arch", ""),
        queues=frozenset(wish(item.text or "") for item in element.iterfind("hard_req_queue"))
        or frozenset(asked.get("qname", "").split("|")) - {""},
        cloud=asked[CLOUD].upper() in ("1", "TRUE") if CLOUD in asked else None,
        host="|".join(map(short, asked.get("hostname", "").split("|"))),
        needs=known.needs(asked),
        starts=detail.starts if detail else 0.0,
        rerun=detail.rerun if detail else True,
    )
    try:
        return _sized(job, element, {**known.defaults, **asked}, rules, begun)
    except NotUnderstood:
        return replace(job, state=JobState.FAILED if job.state is JobState.WAITING else job.state)


def _sized(job: Job, element: etree._Element, asked: Mapping[str, str], rules: Mapping[str, str], begun: float) -> Job:
    """The job with what its requests say of size, layout and time. Raises NotUnderstood."""
    memory = max((mebibytes(asked[name]) for name in MEMORY if name in asked), default=0)
    pe, granted = element.find("requested_pe"), element.find("granted_pe")
    most, spread = job.slots, WHOLE
    if pe is not None:
        _, most = slot_range(pe.text or str(job.slots))
        spread = layout(rules.get(pe.get("name", ""), "$pe_slots"), job.slots)
    waits = job.state is not JobState.RUNNING
    named = granted if granted is not None else pe
    limit = _seconds(asked.get("h_rt", ""))
    return replace(
        job,
        tasks=tasks(element.findtext("tasks") or "") if waits else 1,
        most=max(job.slots, most),
        layout=spread,
        pe=named.get("name", "") if named is not None else "",
        memory=memory,
        ends=begun + limit if begun and limit else 0.0,
    )


def _held_back(job: Job, detail: Detail | None, running: int) -> Job:
    """What waits of an array with a limit on tasks at once (`-tc`): as many as may start beside those that run."""
    if detail is None or not detail.at_once or job.state is not JobState.WAITING:
        return job
    may = detail.at_once - running
    return replace(job, tasks=min(job.tasks, may)) if may > 0 else replace(job, state=JobState.HELD)


def _counts(running: Iterable[str]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for key in running:
        number = key.partition(".")[0]
        counts[number] = counts.get(number, 0) + 1
    return counts


def wish(text: str) -> str:
    """A queue wish in the words of `Host.queues`: `all.q`, `all.q@wn01`, or the host group of `all.q@@big`."""
    queue, at, host = text.strip().partition("@")
    if host.startswith("@"):
        return host
    return f"{queue}@{short(host)}" if at else queue


def _groups(host: str, groups: Mapping[str, Iterable[str]]) -> Iterator[str]:
    return (group for group, members in groups.items() if host in map(short, members))


def _queue(element: etree._Element) -> dict[str, str]:
    return {item.get("name", ""): item.text or "" for item in element.iterfind("queuevalue")}


def _told(text: str) -> str:
    """A value, "" for the dash of one that was never told."""
    return "" if text == "-" else text


def _seconds(text: str) -> float:
    """Seconds of `3600` or `1:00:00`; 0 for INFINITY and for what is not said."""
    parts = text.split(":")
    if not all(part.isascii() and part.isdigit() for part in parts):
        return 0.0
    return float(sum(int(part) * 60**place for place, part in enumerate(reversed(parts))))


def _time(text: str, zone: tzinfo) -> float:
    if not text:
        return 0.0
    try:
        return datetime.fromisoformat(text).replace(tzinfo=zone).timestamp()
    except ValueError as error:
        raise Unreadable(f'"{text:.40}" is no time') from error


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 12:
        raise Unreadable(f'"{text:.40}" is no number')
    return int(text)


def _size(text: str) -> int:
    try:
        return mebibytes(text)
    except NotUnderstood as error:
        raise Unreadable(str(error)) from error
