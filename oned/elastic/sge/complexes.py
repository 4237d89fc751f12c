"""What Grid Engine's hosts, queues and the cluster give to jobs that ask with `-l`: complexes, complex(5).

Of 8.1.9. Requests are told with the full names of complexes; `qsub` takes none for a complex that is not there.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from lxml import etree

from oned.elastic.needs import Given, Need, Offers, Per, Shared, amount
from oned.elastic.sge.cell import Queue, facts_of

LIMITS = frozenset(
    f"{kind}_{what}"
    for kind in "sh"
    for what in ("rt", "cpu", "fsize", "data", "stack", "core", "rss", "vmem")
)  # fmt: skip
"""Limits of a queue, which are complexes too: a job may ask for as much as its queue has, queue_conf(5)."""
REPORTED = frozenset(
    f"{what}_{kind}"
    for what, kinds in {
        "load": "avg long medium short",
        "np_load": "avg long medium short",
        "mem": "free total used",
        "swap": "free total used rate rsvd",
        "virtual": "free total used",
        "m": "core socket thread topology topology_inuse",
    }.items()
    for kind in kinds.split()
) | {"arch", "cpu", "num_proc", "display_win_gui"}
"""What hosts report by themselves. As long as none of a class has, nobody knows: no reason not to start one."""
ELSEWHERE = frozenset(("arch", "cloud", "hostname", "qname", "slots"))
"""Requests that are read otherwise (`oned.elastic.reading.Job`)."""
OF_QUEUES = frozenset(("calendar", "min_cpu_interval", "rerun", "seq_no", "tmpdir"))
_CHANGING = frozenset(("arch", "m_topology_inuse"))
_TEXT = frozenset(("STRING", "CSTRING", "RESTRING", "HOST"))
_PER = {"YES": Per.SLOT, "JOB": Per.JOB}
_COLUMNS = 8


@dataclass(frozen=True)
class Complex:
    """A complex as `qconf -sc` has it.

    relation  of what is asked for to what there is
    default   what a job takes of it that does not ask, "" for nothing
    forced    a host that has it takes only jobs that ask for it
    """

    name: str
    text: bool
    relation: str
    per: Per
    default: str
    forced: bool


@dataclass(frozen=True)
class Complexes:
    """All that is configured for requests.

    by_name  the complexes
    given    what queues give
    totals   what the cluster has in all of what its hosts share (the host `global`)
    """

    by_name: Mapping[str, Complex]
    given: tuple[Given, ...]
    totals: Mapping[str, str]
    _made: dict[tuple[tuple[str, str], ...], tuple[Need, ...]] = field(default_factory=dict)

    def counts(self, names: Iterable[str]) -> frozenset[str]:
        """Those of some complexes that jobs take of."""
        return frozenset(name for name in names if name in self.by_name and self.by_name[name].per is not Per.NOTHING)

    @property
    def forced(self) -> frozenset[str]:
        """Complexes of hosts that take only jobs which ask for them."""
        return frozenset(one.name for one in self.by_name.values() if one.forced) - ELSEWHERE

    @cached_property
    def defaults(self) -> dict[str, str]:
        """What every job takes."""
        return {one.name: one.default for one in self.by_name.values() if one.default}

    def needs(self, asked: Mapping[str, str]) -> tuple[Need, ...]:
        """What a job's hard requests are to the planner; what every queue gives is left out."""
        key = tuple(asked.items())
        if key not in self._made:
            self._made[key] = self._needs(asked) if self.by_name else ()
        return self._made[key]

    def _needs(self, asked: Mapping[str, str]) -> tuple[Need, ...]:
        made = {name: self._need(name, value, implied=False) for name, value in asked.items() if name not in ELSEWHERE}
        for name, value in self.defaults.items():
            if name not in made and name not in ELSEWHERE:
                made[name] = self._need(name, value, implied=True)
        return tuple(made[name] for name in sorted(made) if self._binds(made[name]))

    def _need(self, name: str, value: str, *, implied: bool) -> Need:
        one = self.by_name.get(name) or Complex(name, True, "==", Per.NOTHING, "", False)
        known = name in REPORTED | LIMITS | OF_QUEUES
        return Need(name, value, one.relation, one.per, one.text, optional=known or implied, implied=implied)

    def _binds(self, need: Need) -> bool:
        """Whether some queue does not give it, or it is no limit of queues: such are many, and mostly of no account."""
        if need.name not in LIMITS or need.per is not Per.NOTHING:
            return True
        values = [value for one in self.given for name, value in one.offers if name == need.name]
        return any(not need.met_by(value, 1) for value in values)


NO_COMPLEXES = Complexes({}, (), {})


def complexes(text: str) -> dict[str, Complex]:
    """The complexes of `qconf -sc` by name."""
    found = {}
    for line in text.splitlines():
        words = line.split()
        if line.startswith("#") or len(words) != _COLUMNS:
            continue
        name, _, kind, relation, requestable, consumable, default, _ = words
        per = _PER.get(consumable.upper(), Per.NOTHING)
        counted = per is not Per.NOTHING and relation != "EXCL" and name != "slots"
        found[name] = Complex(
            name,
            kind.upper() in _TEXT,
            "==" if relation == "EXCL" else relation,
            per if relation != "EXCL" else Per.NOTHING,
            default if counted and amount(default) else "",
            requestable.upper() == "FORCED",
        )
    return found


def given(queues: Iterable[Queue]) -> tuple[Given, ...]:
    """What queues give to jobs: their limits, where one is finite, and their complex_values."""
    return tuple(one for queue in queues for one in _given(queue))


def _given(queue: Queue) -> Iterator[Given]:
    for attribute in sorted(LIMITS):
        values = {"": queue.values.get(attribute, "INFINITY"), **queue.own.get(attribute, {})}
        if any(value.upper() != "INFINITY" for value in values.values()):
            for where, value in values.items():
                yield Given(queue.name, attribute, where, ((attribute, value),))
    values = {"": queue.values.get("complex_values", "NONE"), **queue.own.get("complex_values", {})}
    if any(value != "NONE" for value in values.values()):
        for where, value in values.items():
            yield Given(queue.name, "complex_values", where, pairs(value))


def totals(text: str) -> dict[str, str]:
    """The complex_values of `qconf -se global`."""
    return dict(pairs(facts_of(text).get("complex_values", "NONE")))


def pairs(text: str) -> Offers:
    """Names and values of `gpu=2,model=v100`; nothing for NONE."""
    split = (part.partition("=") for part in text.replace(" ", "").split(","))
    return tuple(sorted({name: value for name, is_one, value in split if is_one and name}.items()))


def offered(host: etree._Element) -> Offers:
    """What a host of `qhost -F -xml` has, of consumables what is left."""
    return tuple((item.get("name", ""), item.text or "") for item in host.iterfind("resourcevalue"))


def shown(host: etree._Element, known: Complexes) -> Offers:
    """What of it the host reports by itself, as far as more of it is better: not its load."""
    return tuple(
        (name, item.text or "")
        for item in host.iterfind("resourcevalue")
        if item.get("dominance", "").endswith("l")
        and (name := item.get("name", "")) in known.by_name
        and known.by_name[name].relation in ("<=", "==")
        and name not in _CHANGING
    )


def shared(host_global: etree._Element, known: Complexes) -> tuple[Shared, ...]:
    """What all hosts share, by the host `global` of `qhost -F -xml`."""
    return tuple(Shared(name, known.totals.get(name, ""), left) for name, left in offered(host_global))
