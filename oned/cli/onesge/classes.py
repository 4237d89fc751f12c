"""onesge class and quota: what the settings allow, in the numbers that hold now."""

import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from oned import clock
from oned.cli.command import CommandError, Program
from oned.cli.onesge import books, conf
from oned.cli.onesge.books import WAIT
from oned.cli.onesge.conf import CONFIG
from oned.cli.onesge.rows import LISTED, Facts, column, show, show_one
from oned.cli.output import FORMATS, say
from oned.cli.table import Table
from oned.client.client import Client

if TYPE_CHECKING:
    from oned.elastic.policy import NodeClass, Policies, Window
    from oned.elastic.reading import Node
    from oned.elastic.settings import ElasticConfig

CLASS_TABLE = Table(
    (
        column("NAME", 12, "name of the class", left=True, expand=True),
        column("TEMPLATE", 12, "template of oned that its VMs are made of", left=True, expand=True),
        column("PLACE", 5, "local or cloud", left=True),
        column("SLOTS", 5, "slots of a node"),
        column("MEMORY", 7, "MiB of a node"),
        column("ARCH", 9, "architecture of a node", left=True),
        column("QUEUES", 15, "queues and host groups of a node", left=True, expand=True),
        column("MIN", 4, "nodes at least, now"),
        column("MAX", 4, "nodes at most, now"),
        column("SPARE", 5, "slots that are always free, now"),
        column("WAIT", 5, "seconds that a job waits before a node is started"),
        column("IDLE", 5, "seconds without jobs before a node is drained"),
        column("BOOT", 5, "seconds that a start takes"),
        column("LIFE", 7, "seconds after which a node is drained"),
        column("PRICE", 7, "of a node and hour"),
        column("BILLING", 7, "hour or second", left=True),
        column("RESTS", 8, "until when it rests after failed starts"),
        column("BY", 9, "schedule when a time table holds now, else settings", left=True),
    ),
    default="NAME,TEMPLATE,PLACE,SLOTS,MEMORY,MIN,MAX,SPARE,PRICE,BILLING,BY,RESTS",
)

QUOTA_TABLE = Table(
    (
        column("NAME", 12, "name of the quota", left=True, expand=True),
        column("BY", 10, "project, department, owner or group", left=True),
        column("WHO", 20, "of them", left=True, expand=True),
        column("NODES", 6, "nodes at most"),
        column("SLOTS", 6, "slots of its nodes at most"),
        column("COST", 8, "money per hour for its nodes at most"),
        column("HAS_NODES", 9, "nodes that count against it now"),
        column("HAS_SLOTS", 9, "slots of those"),
        column("PAYS", 8, "money per hour for those"),
        column("LENDS", 5, "whether it may have more while nobody else wants it", left=True),
    ),
    default="NAME,BY,WHO,HAS_NODES,NODES,HAS_SLOTS,SLOTS,PAYS,COST,LENDS",
)

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def add_classes(program: Program) -> None:
    """Give onesge the verbs."""
    program.command("class list", "", CONFIG, *LISTED)(_class_list)
    program.command("class show", "<class>", CONFIG, *FORMATS)(_class_show)
    program.command("class resume", "<class>", WAIT, CONFIG)(_class_resume)
    program.command("quota", "", CONFIG, *LISTED)(_quota)


def _class_list(_one: Client, *, config: str | None, **options: Any) -> None:
    """Lists the classes of nodes with the numbers that hold now; `onesge class` is the same."""
    given, now = conf.load(config), clock.now()
    policies, rests = conf.read(given), _rests(given, now)
    show(CLASS_TABLE, "onesge", (_class_facts(policies, klass, rests) for klass in policies.at(now).classes), options,
         "NODE_CLASS")  # fmt: skip


def _class_show(_one: Client, name: str, *, config: str | None, **options: Any) -> None:
    """Shows a class with the numbers that hold now, and its time tables."""
    given, now = conf.load(config), clock.now()
    policies, rests = conf.read(given), _rests(given, now)
    klass = next((klass for klass in policies.at(now).classes if klass.name == name), None)
    if klass is None:
        known = ", ".join(klass.name for klass in policies.classes) or "none"
        raise CommandError(f"There is no class {name}. Classes of {conf.path_of(config)}: {known}")
    windows = [window for window in policies.windows if window.klass == name]
    facts = {**_class_facts(policies, klass, rests), "SCHEDULE": [_window_facts(window) for window in windows]}
    if show_one("NODE_CLASS", f"CLASS {name}", facts, options):
        for window in windows:
            say(f"Time table: {_window_words(window)}")
        if name in rests:
            say(f"Its starts failed, see: onesge audit. When that is mended: onesge class resume {name}")


def _class_resume(_one: Client, name: str, *, wait: bool, config: str | None) -> int:
    """Orders that a class which rests after failed starts rests no more."""
    from oned.elastic.records import RESUME

    at = books.site(config)
    if name not in (known := [klass.name for klass in at.policies.classes]):
        raise CommandError(f"There is no class {name}. Classes: {', '.join(known) or 'none'}")
    return books.leave(at.records, [(RESUME, name, 1)], wait=wait)


def _rests(given: "ElasticConfig", now: float) -> "dict[str, float]":
    """Until when classes rest, by name; nothing where there are no records."""
    if not conf.database(given).is_file():
        return {}
    brake, records = conf.read(given).brake, books.opened(given)
    found = {name: brake.until(failed) for name, failed in records.failures().items()}
    records.close()
    return {name: until for name, until in found.items() if until > now}


def _class_facts(policies: "Policies", klass: "NodeClass", rests: "Mapping[str, float]") -> Facts:
    return {
        "NAME": klass.name,
        "TEMPLATE": klass.template,
        "PLACE": "cloud" if klass.cloud else "local",
        "SLOTS": klass.slots,
        "MEMORY": klass.memory or None,
        "ARCH": klass.arch or None,
        "QUEUES": ",".join(sorted(klass.queues)) or None,
        "MIN": klass.least,
        "MAX": klass.most,
        "SPARE": klass.spare,
        "WAIT": f"{klass.wait:.0f}",
        "IDLE": f"{klass.idle:.0f}",
        "BOOT": f"{klass.boot:.0f}",
        "LIFE": f"{klass.life:.0f}" if klass.life else None,
        "PRICE": f"{klass.price:g}",
        "BILLING": klass.billing.value,
        "RESTS": time.strftime("%H:%M:%S", time.localtime(rests[klass.name])) if klass.name in rests else None,
        "BY": "settings" if klass == policies.klass(klass.name) else "schedule",
    }


def _window_facts(window: "Window") -> Facts:
    return {
        "DAYS": ",".join(_DAYS[day] for day in sorted(window.days)),
        "FROM": _clock(window.start),
        "TO": _clock(window.end),
        "MIN": window.least,
        "MAX": window.most,
        "SPARE": window.spare,
    }


def _window_words(window: "Window") -> str:
    return ", ".join(f"{key} {value}" for key, value in _window_facts(window).items() if value is not None)


def _clock(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"


def _quota(_one: Client, *, config: str | None, **options: Any) -> None:
    """Lists what organisations may have, and what counts against it now."""
    given = conf.load(config)
    nodes = [one.node for one in books.site(config).records.nodes()] if conf.database(given).is_file() else []
    show(QUOTA_TABLE, "onesge", _quotas(conf.read(given), nodes), options, "QUOTA")


def _quotas(policies: "Policies", nodes: "list[Node]") -> Iterator[Facts]:
    for quota in policies.quotas:
        theirs = [policies.klass(node.klass) for node in nodes if node.owner == quota.name]
        yield {
            "NAME": quota.name,
            "BY": quota.by,
            "WHO": ",".join(sorted(quota.who)),
            "NODES": _limit(quota.nodes),
            "SLOTS": _limit(quota.slots),
            "COST": _limit(quota.cost),
            "HAS_NODES": len(theirs),
            "HAS_SLOTS": sum(klass.slots for klass in theirs),
            "PAYS": f"{sum(klass.price for klass in theirs):.2f}",
            "LENDS": quota.lends,
        }


def _limit(amount: float) -> str | None:
    from oned.elastic.policy import NO_LIMIT

    return None if amount >= NO_LIMIT else f"{amount:g}"
