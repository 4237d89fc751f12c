"""What is wrong with a Grid Engine that an elastic cluster is to live on: each finding with its reason and its mend.

The checks are functions of what `examine` has read; they change nothing. A mend is a command for a shell on the
master, run by a manager; "" where a person has to think.
"""

from collections.abc import Callable, Iterator

from oned.elastic.reading import Host
from oned.elastic.sge.arrangement import arranged, empty, our_queues, queue_settings, slots_twice, states, unowned
from oned.elastic.sge.facts import Answer, Facts, Finding, Grade
from oned.elastic.sge.mends import changed, clock_text, seconds, set_conf, set_scheduler
from oned.elastic.sge.place import Place

MOST_SKEW = 5.0
"""Seconds by which clocks may differ."""
TESTED = "8.1"
"""The versions that the commands were tried with begin with this."""
REPORTS = 3
"""A host may miss so many load reports before it counts as silent."""
SLOW_SCHEDULE = 30.0
"""Seconds between two runs of the scheduler that are noticed."""


def findings(facts: Facts) -> list[Finding]:
    """All that the checks find, the worst first."""
    found = [finding for check in CHECKS for finding in check(facts)]
    return sorted(found, key=lambda finding: list(Grade).index(finding.grade))


# -- the master -------------------------------------------------------------------------------------------------------


def master_name(master: str, address: str, common: str) -> Iterator[Finding]:
    """What is wrong with the name of the master, in the directory `common`; this is known while it does not answer."""
    if not master:
        yield Finding(
            Grade.ERROR,
            f"{common}/act_qmaster names no master",
            "sge_qmaster writes its name there when it starts; on other hosts the file is a copy of the master's",
            f"echo MASTER > {common}/act_qmaster",
        )
    elif not address:
        yield Finding(
            Grade.ERROR,
            f"{master}, the master in {common}/act_qmaster, does not resolve",
            "No command and no node reaches a master without an address",
            f"echo 'ADDRESS {master}' >> /etc/hosts",
        )
    elif address.startswith("127."):
        yield Finding(
            Grade.ERROR,
            f"The name of the master, {master}, leads to {address} on the master itself",
            "qmaster then refuses every client, itself too; installers write such lines",
            f"sed -i '/^127\\..*{master.partition('.')[0]}/d' /etc/hosts && echo 'ADDRESS {master}' >> /etc/hosts",
        )


def _master(facts: Facts) -> Iterator[Finding]:
    yield from master_name(facts.master, facts.master_address, facts.place.common)
    skew = facts.master_answer.skew
    if skew is not None and abs(skew) > MOST_SKEW:
        yield Finding(
            Grade.WARNING,
            f"The clock of the master differs by {skew:+.0f} s from the one here",
            "Waiting times and ends of jobs are reckoned with both",
            "chronyc makestep",
        )


def _version(facts: Facts) -> Iterator[Finding]:
    if TESTED not in facts.version:
        yield Finding(
            Grade.NOTE,
            f"This is {facts.version or 'an unknown version'}, tried was {TESTED}",
            "Formats of qconf and qstat differ between versions",
        )


def _managers(facts: Facts) -> Iterator[Finding]:
    if facts.user not in facts.managers:
        yield Finding(
            Grade.ERROR,
            f"{facts.user} is no manager of Grid Engine",
            "Nodes can only be registered by a manager",
            f"qconf -am {facts.user}",
        )
    if facts.admin_user and facts.admin_user != "none" and facts.admin_user not in facts.managers:
        yield Finding(
            Grade.ERROR,
            f"{facts.admin_user}, who runs the scheduler, is no manager of Grid Engine",
            "The scheduler is refused, and jobs wait for ever",
            f"qconf -am {facts.admin_user}",
        )


# -- settings that lose work ------------------------------------------------------------------------------------------


def _rescheduling(facts: Facts) -> Iterator[Finding]:
    if seconds(facts.conf.get("reschedule_unknown", "0")) == 0:
        yield Finding(
            Grade.WARNING,
            "reschedule_unknown is 0",
            "Grid Engine never starts the jobs of a dead node again by itself; only onesge does, while it runs",
            set_conf("reschedule_unknown", "00:02:00"),
        )


def _parameters(facts: Facts) -> Iterator[Finding]:
    """What is wrong with words of qmaster_params: one command mends them all, and leaves the others alone."""
    words = facts.conf.get("qmaster_params", "")
    kills = "ENABLE_RESCHEDULE_KILL=" in words.upper()
    out = ("SIMULATE_EXECDS",) if facts.simulated else ()
    mend = set_conf("qmaster_params", changed(words, out, () if kills else ("ENABLE_RESCHEDULE_KILL=1",)))
    if not kills:
        yield Finding(
            Grade.WARNING,
            "qmaster_params has no ENABLE_RESCHEDULE_KILL",
            "Jobs of a dead node that cannot be started again are shown as running for ever, and keep its slots",
            mend,
        )
    if facts.simulated:
        yield Finding(
            Grade.WARNING,
            "qmaster_params has SIMULATE_EXECDS=1",
            "Hosts are only simulated: no job is really run",
            mend,
        )


def _silence(facts: Facts) -> Iterator[Finding]:
    unheard = seconds(facts.conf.get("max_unheard", "00:05:00"))
    report = seconds(facts.conf.get("load_report_time", "00:00:40"))
    if unheard < REPORTS * report:
        yield Finding(
            Grade.WARNING,
            f"max_unheard is {unheard:.0f} s, load_report_time {report:.0f} s",
            "A node that misses one or two reports already counts as dead",
            set_conf("max_unheard", clock_text(2 * REPORTS * report)),
        )
    elif unheard > 600:
        yield Finding(
            Grade.WARNING,
            f"max_unheard is {unheard:.0f} s",
            "A dead node is noticed so late; its jobs and its slots wait",
            set_conf("max_unheard", "00:05:00"),
        )


def _scheduler(facts: Facts) -> Iterator[Finding]:
    adjustments = facts.scheduler.get("job_load_adjustments", "NONE")
    limited = any(queue.values.get("load_thresholds", "NONE").upper() != "NONE" for queue in our_queues(facts))
    if adjustments.upper() != "NONE" and limited:
        yield Finding(
            Grade.WARNING,
            f"job_load_adjustments is {adjustments}, beside load_thresholds",
            "Each started job counts as load for a while: a small node is not filled",
            set_scheduler("job_load_adjustments", "NONE"),
        )
    interval = seconds(facts.scheduler.get("schedule_interval", "0:0:15"))
    if interval > SLOW_SCHEDULE:
        yield Finding(
            Grade.NOTE,
            f"schedule_interval is {interval:.0f} s",
            "A node that is ready waits so long for its first job",
            set_scheduler("schedule_interval", "0:0:10"),
        )


# -- hosts -------------------------------------------------------------------------------------------------------------


def _names(facts: Facts) -> Iterator[Finding]:
    for host, why in facts.misnamed.items():
        yield Finding(
            Grade.ERROR,
            f"{host}: {why}",
            "The node cannot join, and commands about it fail or hang",
            f"echo 'ADDRESS {host}' >> /etc/hosts",
        )


def _silent(facts: Facts) -> Iterator[Finding]:
    for host in facts.hosts:
        answer = facts.answers.get(host.name)
        if host.heard or answer is None or host.name in facts.misnamed or _only_named(facts, host.name):
            continue
        yield _wrong_name(host, facts) if answer.up else _no_execd(host, answer, facts.place)


def _only_named(facts: Facts, host: str) -> bool:
    """Whether it is in its queues without a slot, such as the master: nothing has to run there."""
    own = facts.instances.get(host, {})
    return bool(own) and not any(instance.slots for instance in own.values())


def _wrong_name(host: Host, facts: Facts) -> Finding:
    names = ", ".join(sorted(facts.refused))
    lately = f". Names that it refused lately: {names}" if names else ""
    return Finding(
        Grade.ERROR,
        f"At {host.name} an sge_execd answers, but the master does not hear of it",
        "It calls itself by another name, or it has another master or cell; the master refuses names that do not "
        f"lead to where they come from{lately}",
        f"ssh {host.name} 'hostname {host.name}; cat {facts.place.common}/act_qmaster; systemctl restart "
        "gridengine-exec'",
    )


def _refused(facts: Facts) -> Iterator[Finding]:
    """Names that were refused when no node is silent: those nodes are gone by now, the next one will do the same."""
    told = any(not host.heard and facts.answers.get(host.name, Answer(False)).up for host in facts.hosts)
    if facts.refused and not told:
        yield Finding(
            Grade.NOTE,
            f"The master has lately refused hosts that call themselves {', '.join(sorted(facts.refused))}",
            "A node joins under the name that its address leads to on the master, and no other: set the host name by "
            "the context of its VM, before sge_execd starts",
        )


def _no_execd(host: Host, answer: Answer, place: Place) -> Finding:
    refused = "refused" in answer.said.lower()
    return Finding(
        Grade.NOTE,
        f"{host.name} is not heard of, and {'nobody answers at port' if refused else 'it is not reached at port'} "
        f"{place.execd_port}",
        "sge_execd does not run there; one that was started before its host was registered has ended by itself"
        if refused
        else "It has not booted, it is gone, or a firewall is between it and the master",
        f"ssh {host.name} systemctl restart gridengine-exec" if refused else "",
    )


def _clocks(facts: Facts) -> Iterator[Finding]:
    for host, answer in facts.answers.items():
        if answer.skew is not None and abs(answer.skew) > MOST_SKEW:
            yield Finding(
                Grade.WARNING,
                f"The clock of {host} differs by {answer.skew:+.0f} s",
                "Times of jobs, files and certificates are wrong there",
                f"ssh {host} chronyc makestep",
            )


Check = Callable[[Facts], Iterator[Finding]]
CHECKS: tuple[Check, ...] = (
    _master, _version, _managers, _rescheduling, _parameters, _silence, queue_settings, _scheduler, arranged, empty,
    slots_twice, states, unowned, _names, _silent, _refused, _clocks,
)  # fmt: skip
