"""Resource quotas of Grid Engine on slots, `qconf -srqs`, as limits that tasks which wait can be counted against.

A rule that is for some hosts, for each host or queue, or of something else than a number of slots is kept as one whose
amount is not known: whom it may cover is not held to the rules after it in its set either. So what is counted is what
Grid Engine would really refuse.
"""

import re
from collections.abc import Iterable, Iterator, Mapping

from oned.elastic.allowed import matches
from oned.elastic.reading import Limit
from oned.elastic.sge.cell import facts_of

_SET = re.compile(r"\{\s*(name\s.*?)\n\}", re.DOTALL)
_RULE = re.compile(r"^\s*limit\s+(?:name\s+(\S+)\s+)?(.*?)\s*\bto\s+(\S.*?)\s*$")
_FILTER = re.compile(r"(users|projects|pes|queues|hosts)\s+(\{[^}]*\}|[^\s,]+(?:\s*,\s*[^\s,]+)*)")
_SLOTS = re.compile(r"(?:^|,)\s*slots=(\d+)\s*(?:,|$)")
Lists = Mapping[str, frozenset[str]]
_EACH = {"users": "owner", "projects": "project", "pes": "pe"}
"""Filters with braces that can be counted, and what of a job the limit is for each of."""


def limits(answer: str, queues: Iterable[str] = (), lists: Lists | None = None) -> list[Limit]:
    """The rules on slots that are in force, in their order.

    queues  all that there are
    lists   members of user lists, by name
    """
    every, known = tuple(queues), lists or {}
    return [
        _limit(match[1] or f"{name}/{number}", name, dict(_FILTER.findall(match[2])), match[3], every, known)
        for name, rules in _sets(answer)
        for number, match in enumerate(rules, 1)
    ]


def lists_of(answer: str) -> frozenset[str]:
    """The names of the user lists that rules in force are for."""
    named = (
        who
        for _, rules in _sets(answer)
        for match in rules
        for who in _listed(dict(_FILTER.findall(match[2])).get("users", ""))
    )
    return frozenset(who.lstrip("!")[1:] for who in named if who.lstrip("!").startswith("@"))


def members(answer: str) -> frozenset[str]:
    """The members of `qconf -su NAME`: users, and groups with an @."""
    return _listed(facts_of(answer.replace("\\\n", " ")).get("entries", "")) - {"NONE"}


def _sets(answer: str) -> Iterator[tuple[str, list[re.Match[str]]]]:
    for given in _SET.findall(answer.replace("\\\n", " ")):
        facts = facts_of(given)
        if facts.get("enabled", "").upper() in ("TRUE", "1"):
            yield facts["name"], [match for line in given.splitlines() if (match := _RULE.match(line))]


def _limit(
    name: str, of_set: str, filters: Mapping[str, str], given: str, every: tuple[str, ...], lists: Lists
) -> Limit:
    """A rule by its filters, such as `users {*} projects cern`."""
    amount = _SLOTS.search(given)
    braced = [kind for kind, who in filters.items() if who.startswith("{")]
    owners = _expanded(_listed(filters.get("users", "")), lists)
    projects, pes, queues, hosts = (_listed(filters.get(kind, "")) for kind in ("projects", "pes", "queues", "hosts"))
    whole = bool(every) and all(_in(queue, queues) for queue in every)  # any queue will do
    unclear = (
        amount is None
        or owners is None
        or bool(hosts - {"*"})
        or any(one.startswith("!") for kind in braced for one in _listed(filters[kind]))  # for each one left out
        or any(_several(kind, filters[kind], every) for kind in braced if kind not in _EACH)
    )
    return Limit(
        name,
        int(amount[1]) if amount else 0,
        (owners or frozenset()) - {"*"},
        projects,
        " ".join(_EACH[kind] for kind in braced if kind in _EACH),
        of_set,
        pes=pes,
        queues=frozenset() if whole else queues - {"*"},
        vague=unclear,
    )


def _several(kind: str, who: str, every: tuple[str, ...]) -> bool:
    """Whether a limit for each host or queue is more than one."""
    if kind != "queues":
        return True
    return sum(_in(queue, _listed(who)) for queue in every) != 1


def _in(queue: str, patterns: frozenset[str]) -> bool:
    left_out = [one[1:] for one in patterns if one.startswith("!")]
    meant = [one for one in patterns if not one.startswith("!")]
    return not matches(left_out, (queue,)) and (not meant or matches(meant, (queue,)))


def _expanded(names: frozenset[str], lists: Lists) -> frozenset[str] | None:
    """The names with the members of lists in their place; None where a list is not known."""
    found: set[str] = set()
    for name in names:
        no, _, of_list = name.rpartition("@")
        if of_list == name:
            found.add(name)
        elif of_list not in lists:
            return None
        else:
            found |= {no + member for member in lists[of_list]} or {f"{no}@"}  # nobody is in it
    return frozenset(found)


def _listed(text: str) -> frozenset[str]:
    return frozenset(re.split(r"[\s,]+", text.strip("{} "))) - {""}
