"""onesge.conf: its settings as a table, and what the planner makes of them.

What several settings say together is checked when they are read: with file, line and reason.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from zoneinfo import ZoneInfo

from oned.elastic.accounts import ACCOUNT_SETTINGS
from oned.elastic.hooked import HOOK_SETTINGS
from oned.elastic.images.image_settings import IMAGE_SETTINGS
from oned.elastic.needs import Offers
from oned.elastic.network_settings import NETWORK_SETTINGS
from oned.elastic.policy import (
    NO_LIMIT,
    Billing,
    Brake,
    Caps,
    NodeClass,
    Pace,
    Patience,
    Policies,
    Quota,
    Window,
)  # fmt: skip
from oned.elastic.service import SERVICE_SETTINGS
from oned.elastic.sge.place import SGE_SETTINGS
from oned.numbers import decimal
from oned.setting import (
    SECONDS,
    TEXT,
    TRUTH,
    VECTOR,
    WHOLE,
    ConfigError,
    Setting,
    Table,
    Type,
    Values,
    one_of,
    whole,
)  # fmt: skip
from oned.template.template import Template

_OFFER = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*=[^\s,=\[\]]+")
_ELSEWHERE = {"slots": "SLOTS", "cloud": "PLACE", "arch": "ARCH"}
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_WEEK = 7
_DAY = 24 * 60


def _money(text: str) -> float:
    if (amount := decimal(text)) < 0:
        raise ValueError("it is no amount")
    return amount


def _zone(text: str) -> str:
    try:
        return ZoneInfo(text).key
    except (KeyError, ValueError, OSError) as error:
        raise ValueError("there is no such zone") from error


def _words(text: str) -> frozenset[str]:
    words = frozenset(text.replace(",", " ").split())
    if not words:
        raise ValueError("it is empty")
    return words


def _days(text: str) -> frozenset[int]:
    days: set[int] = set()
    for part in text.lower().replace(",", " ").split():
        first, dash, last = part.partition("-")
        start, end = DAYS.index(first), DAYS.index(last if dash else first)
        days |= {day % _WEEK for day in range(start, end + 1 + (_WEEK if end < start else 0))}
    if not days:
        raise ValueError("it is empty")
    return frozenset(days)


def _minute(text: str) -> int:
    hour, colon, minute = text.partition(":")
    at = int(hour) * 60 + int(minute)
    if not (colon and len(minute) == 2 and int(minute) < 60 and 0 <= at <= _DAY):
        raise ValueError("it is no time of a day")
    return at


def _offers(text: str) -> Offers:
    offers: dict[str, str] = {}
    for part in text.split(","):
        name, _, value = (word.strip() for word in part.partition("="))
        if not _OFFER.fullmatch(f"{name}={value}") or name in offers:
            raise ValueError(f'"{part.strip()}" is none, or there twice')
        if name in _ELSEWHERE:
            raise ValueError(f"{name} is said by {_ELSEWHERE[name]}")
        offers[name] = value
    return tuple(sorted(offers.items()))


MONEY = Type("an amount of money", _money)
ZONE = Type("a time zone, such as Europe/Madrid", _zone)
WORDS = Type("words", _words)
ON_DAYS = Type("days, such as mon-fri or sat,sun", _days)
MINUTE = Type("a time of day, 00:00 to 24:00", _minute)
SOME = whole("a number above 0", 1)
OFFERS = Type("names with values, such as gpu=2,model=v100", _offers)
PERCENT = whole("per cent, 0 to 100", 0, 100)
PLACE = one_of("local", "cloud")
BILLING = one_of("hour", "second")
BY = one_of("project", "department", "owner", "group")

_CLASS: Mapping[str, Type] = {
    "NAME": TEXT, "TEMPLATE": TEXT, "SLOTS": SOME, "MEMORY": WHOLE, "ARCH": TEXT, "QUEUES": WORDS, "PLACE": PLACE,
    "COMPLEX_VALUES": OFFERS,
    "MIN": WHOLE, "MAX": WHOLE, "SPARE_SLOTS": WHOLE, "WAIT_BEFORE_UP": SECONDS, "IDLE_TIME": SECONDS, "PRICE": MONEY,
    "BILLING": BILLING, "BOOT_TIME": SECONDS, "MAX_LIFE": SECONDS, "QUARANTINE_TIME": SECONDS,
}  # fmt: skip
_QUOTA: Mapping[str, Type] = {
    "NAME": TEXT, "BY": BY, "WHO": WORDS, "NODES": WHOLE, "SLOTS": WHOLE, "COST": MONEY, "LEND": TRUTH,
}  # fmt: skip
_SCHEDULE: Mapping[str, Type] = {
    "CLASS": TEXT, "DAYS": ON_DAYS, "FROM": MINUTE, "TO": MINUTE, "MIN": WHOLE, "MAX": WHOLE, "SPARE_SLOTS": WHOLE,
}  # fmt: skip
_CAP: Mapping[str, Type] = {"HOUR": MONEY, "DAY": MONEY, "MONTH": MONEY}

CLOUD_LIFE, CLOUD_ASIDE = 7 * 86400, 3600
"""Seconds after which a node in a cloud is drained where nothing is said: one that is well, and one that is not."""

ELASTIC_SETTINGS = Table(
    "onesge.conf: when nodes of the batch system come and go",
    (
        *SERVICE_SETTINGS,
        *NETWORK_SETTINGS,
        *IMAGE_SETTINGS,
        *ACCOUNT_SETTINGS,
        *HOOK_SETTINGS,
        Setting("NODE_CLASS", VECTOR, "", "oned",
                "A kind of node, once for each: NAME; TEMPLATE of oned (NAME), of our user or oneadmin, else a number "
                "or OWNER/NAME; SLOTS (1), MEMORY in MiB (0 is not counted), ARCH; QUEUES and host groups that a node "
                "is in (SGE_QUEUE, SGE_HOST_GROUP); COMPLEX_VALUES that jobs may ask for, such as gpu=2,model=v100: "
                "Grid Engine is told of each node; PLACE local or cloud (local); MIN, MAX nodes (0, 10); "
                "SPARE_SLOTS always free (0); WAIT_BEFORE_UP, IDLE_TIME, MAX_LIFE, QUARANTINE_TIME in place of the "
                "general ones; "
                "PRICE per hour (0), BILLING by hour or second (second), BOOT_TIME seconds (120).",
                keys=_CLASS, needs=("NAME",)),
        Setting("QUOTA", VECTOR, "", "oned",
                "What an organisation may have: BY project, department, owner or group, WHO of them; NODES, SLOTS of "
                "its nodes, COST of them per hour; LEND = NO if it may not have more while nobody else wants it. Nodes "
                "beyond it are drained when tasks within another's quota wait and MAX leaves no room.",
                keys=_QUOTA, needs=("NAME", "BY", "WHO")),
        Setting("SCHEDULE", VECTOR, "", "oned",
                "Other numbers at some times: CLASS, DAYS (mon-sun), FROM and TO (00:00, 24:00; over midnight too); "
                "MIN, MAX, SPARE_SLOTS. The first that holds counts.",
                keys=_SCHEDULE, needs=("CLASS",)),
        Setting("COST_CAP", VECTOR, "", "oned",
                "Money for an HOUR of the clock, DAY and MONTH; what is bound to the end of paid hours, for nodes that "
                "are gone too, and what is planned count. At a cap no node is started, and those that run stay.",
                keys=_CAP),
        Setting("TIME_ZONE", ZONE, "UTC", "oned", "Of SCHEDULE, and of the days and months of COST_CAP."),
        Setting("MIN", WHOLE, "0", "oned", "Nodes of all classes together, at least."),
        Setting("MAX", WHOLE, "10", "oned", "Nodes of all classes together, at most."),
        Setting("WAIT_BEFORE_UP", SECONDS, "60", "oned", "A job has waited so long before a node is started for it."),
        Setting("LOOK_AHEAD", TRUTH, "YES", "oned",
                "No node is started if a job is expected to make room before it would be there; not for what has "
                "waited as long as a node takes to come."),
        Setting("BURST_AFTER", SECONDS, "120", "oned",
                "A job waits so long for nodes on our own hosts before one in a cloud is started for it."),
        Setting("STEP_UP", SOME, "5", "oned", "Nodes started in a cycle."),
        Setting("BOOTING_MAX", SOME, "10", "oned", "Nodes starting at once."),
        Setting("COOL_DOWN_UP", SECONDS, "0", "oned", "After a step up no other is taken for so long."),
        Setting("COOL_DOWN_DOWN", SECONDS, "120", "oned", "After a drain no node is drained by choice for so long."),
        Setting("IDLE_TIME", SECONDS, "600", "oned", "A node without jobs for so long is drained."),
        Setting("HOUR_END", SECONDS, "300", "oned",
                "A node that is paid by the hour is drained only so long before the end of an hour."),
        Setting("MAX_KILL", PERCENT, "25", "oned",
                "Per cent of the ready nodes that may begin to leave in a cycle; one may always, but not at 0."),
        Setting("MAX_LIFE", SECONDS, "", "oned",
                "A node is drained at this age, 0 never; nodes in a cloud after 604800 where nothing is said. Another "
                "comes first, where MIN leaves room for it under MAX."),
        Setting("QUARANTINE_TIME", SECONDS, "", "oned",
                "A node whose health check is bad takes no jobs and waits so long for a person to look; then it is "
                "drained, when it has no jobs; sooner where it fills MAX and jobs wait. 0: until MAX_LIFE. Else 43200, "
                "in a cloud 3600."),
        Setting("START_TIME", SECONDS, "600", "oned", "The VM of a node is to run after so long, or it has failed."),
        Setting("JOIN_TIME", SECONDS, "300", "oned", "A VM that runs is to report after so long, or it has failed."),
        Setting("MAX_UNHEARD", SECONDS, "300", "oned", "A node that is silent for longer is lost."),
        Setting("MASTER_GRACE", SECONDS, "90", "oned",
                "After a start of the batch system's master no node is lost for so long; JOIN_TIME begins anew."),
        Setting("DRAIN_TIME", SECONDS, "86400", "oned",
                "Jobs have so long to end on a node that is drained; then those that can are started again elsewhere."),
        Setting("DRAIN_KILL", TRUTH, "NO", "oned", "YES ends the others then, which are lost; NO lets them run."),
        Setting("PROTECT", SOME, "3", "oned", "Failed starts in a row after which a class rests."),
        Setting("PROTECT_TIME", SECONDS, "600", "oned", "It rests so long, twice as long each time, an hour at most."),
        Setting("STALE_DOWN", SECONDS, "120", "oned", "Readings that are older stop nothing."),
        Setting("STALE_UP", SECONDS, "600", "oned", "Readings that are older start nothing either."),
        Setting("ORPHAN_TIME", SECONDS, "300", "oned",
                "What no node has goes after so long: a VM of the cluster, an instance (EC2_ACCOUNT), a host that "
                "was a node."),
        Setting("HOLD_TIME", SECONDS, "120", "oned",
                "A name and an address are nobody else's for so long after their node is gone. Grid Engine refuses for "
                "a minute a node whose name a dead one had."),
        *SGE_SETTINGS,
    ),
    "onesge --print-config",
)  # fmt: skip


class ElasticConfig(Values):
    """onesge.conf in force."""

    def __init__(self, table: Table, given: Template, where: Callable[[str, int], str]) -> None:
        self._places: dict[str, list[str]] = {}
        super().__init__(table, given, where)

    @staticmethod
    def default_table() -> Table:
        return ELASTIC_SETTINGS

    @property
    def usual_queues(self) -> frozenset[str]:
        """Queues and host groups of nodes whose class names none."""
        return frozenset((self["SGE_QUEUE"], self["SGE_HOST_GROUP"]))

    @property
    def memory_name(self) -> str:
        """The name by which the batch system is told of a node's memory, "" where it is not."""
        return str(self["SGE_MEMORY"])

    def placed(self, name: str) -> Iterator[tuple[dict[str, str], str]]:
        """The vectors of a setting, each with where it stands."""
        yield from zip(self.vectors(name), self._places.get(name, ()), strict=True)

    def _check_vector(self, setting: Setting, vector: Mapping[str, str], place: str) -> None:
        super()._check_vector(setting, vector, place)
        self._places.setdefault(setting.name, []).append(place)


def print_elastic_config() -> str:
    """onesge.conf with every setting, its default and its meaning."""
    return ELASTIC_SETTINGS.print()


def read(config: ElasticConfig) -> Policies:
    """The policies of a configuration in force. ConfigError says which line contradicts what."""
    classes = _classes(config)
    _compare("MIN", config["MIN"], config["MAX"], "MIN")
    _compare("STALE_DOWN", config["STALE_DOWN"], config["STALE_UP"], "STALE_DOWN", "STALE_UP")
    return Policies(
        classes=tuple(classes.values()),
        least=config["MIN"],
        most=config["MAX"],
        quotas=_quotas(config),
        windows=tuple(_window(vector, place, classes) for vector, place in config.placed("SCHEDULE")),
        caps=_caps(config),
        pace=_pace(config),
        patience=_patience(config),
        brake=Brake(config["PROTECT"], float(config["PROTECT_TIME"]), max(3600.0, float(config["PROTECT_TIME"]))),
        look_ahead=config["LOOK_AHEAD"],
        burst_after=float(config["BURST_AFTER"]),
        zone=config["TIME_ZONE"],
    )


def _classes(config: ElasticConfig) -> dict[str, NodeClass]:
    classes: dict[str, NodeClass] = {}
    for vector, place in config.placed("NODE_CLASS"):
        klass = _node_class(vector, config)
        if klass.name in classes:
            raise ConfigError(f"{place}: there are two classes {klass.name}. Give one another NAME")
        _compare(place, klass.least, klass.most, f"MIN of class {klass.name}")
        classes[klass.name] = klass
    return classes


def _node_class(vector: Mapping[str, str], config: ElasticConfig) -> NodeClass:
    usual = NodeClass(vector["NAME"])
    cloud = vector.get("PLACE", "local").lower() == "cloud"
    return NodeClass(
        name=usual.name,
        template=vector.get("TEMPLATE", usual.name),
        slots=int(vector.get("SLOTS", usual.slots)),
        memory=int(vector.get("MEMORY", usual.memory)),
        arch=vector.get("ARCH", ""),
        queues=_words(vector["QUEUES"]) if "QUEUES" in vector else config.usual_queues,
        cloud=cloud,
        offers=_offered(vector, config),
        least=int(vector.get("MIN", usual.least)),
        most=int(vector.get("MAX", usual.most)),
        spare=int(vector.get("SPARE_SLOTS", usual.spare)),
        wait=float(vector.get("WAIT_BEFORE_UP", config["WAIT_BEFORE_UP"])),
        idle=float(vector.get("IDLE_TIME", config["IDLE_TIME"])),
        price=_money(vector.get("PRICE", "0")),
        billing=Billing(vector.get("BILLING", usual.billing.value).lower()),
        boot=float(vector.get("BOOT_TIME", usual.boot)),
        life=float(vector.get("MAX_LIFE", _usual(config, "MAX_LIFE", CLOUD_LIFE if cloud else usual.life))),
        aside=float(
            vector.get("QUARANTINE_TIME", _usual(config, "QUARANTINE_TIME", CLOUD_ASIDE if cloud else usual.aside))
        ),
    )


def _usual(config: ElasticConfig, name: str, where_silent: float) -> float:
    """What holds where a class does not say: the general setting, or where that does not say either, a usual value."""
    return float(where_silent if config[name] == "" else config[name])


def _offered(vector: Mapping[str, str], config: ElasticConfig) -> Offers:
    """What nodes of a class offer by name; their memory too, where Grid Engine is told of that."""
    memory, name = int(vector.get("MEMORY", 0)), config.memory_name
    offers = {name: f"{memory}M"} if memory and name else {}
    if "COMPLEX_VALUES" in vector:
        offers |= dict(_offers(vector["COMPLEX_VALUES"]))
    return tuple(sorted(offers.items()))


def _quotas(config: ElasticConfig) -> tuple[Quota, ...]:
    quotas: dict[str, Quota] = {}
    for vector, place in config.placed("QUOTA"):
        name = vector["NAME"]
        if name in quotas:
            raise ConfigError(f"{place}: there are two quotas {name}. Put all of theirs into one")
        quotas[name] = Quota(
            name,
            by=vector["BY"].lower(),
            who=_words(vector["WHO"]),
            nodes=int(vector.get("NODES", NO_LIMIT)),
            slots=int(vector.get("SLOTS", NO_LIMIT)),
            cost=float(vector.get("COST", NO_LIMIT)),
            lends=TRUTH.read(vector.get("LEND", "YES")),
        )
    return tuple(quotas.values())


def _window(vector: Mapping[str, str], place: str, classes: Mapping[str, NodeClass]) -> Window:
    klass = classes.get(vector["CLASS"])
    if klass is None:
        known = ", ".join(classes) or "none"
        raise ConfigError(f"{place}: SCHEDULE is for class {vector['CLASS']}, which is not there. Classes: {known}")
    least, most, spare = (
        int(vector[key]) if key in vector else None for key in ("MIN", "MAX", "SPARE_SLOTS")
    )  # fmt: skip
    _compare(
        place,
        klass.least if least is None else least,
        klass.most if most is None else most,
        f"with this SCHEDULE, MIN of class {klass.name}",
    )
    return Window(
        klass.name,
        days=_days(vector.get("DAYS", "mon-sun")),
        start=_minute(vector.get("FROM", "00:00")),
        end=_minute(vector.get("TO", "24:00")),
        least=least,
        most=most,
        spare=spare,
    )


def _caps(config: ElasticConfig) -> Caps:
    found = list(config.placed("COST_CAP"))
    if len(found) > 1:
        raise ConfigError(f"{found[1][1]}: COST_CAP is set twice. Put HOUR, DAY and MONTH into one")
    caps = found[0][0] if found else {}
    return Caps(*(float(caps.get(key, NO_LIMIT)) for key in _CAP))


def _pace(config: ElasticConfig) -> Pace:
    return Pace(
        step_up=config["STEP_UP"],
        booting=config["BOOTING_MAX"],
        cool_up=float(config["COOL_DOWN_UP"]),
        cool_down=float(config["COOL_DOWN_DOWN"]),
        max_kill=config["MAX_KILL"],
        hour_end=float(config["HOUR_END"]),
    )


def _patience(config: ElasticConfig) -> Patience:
    return Patience(
        start=float(config["START_TIME"]),
        join=float(config["JOIN_TIME"]),
        unheard=float(config["MAX_UNHEARD"]),
        drain=float(config["DRAIN_TIME"]),
        kill=config["DRAIN_KILL"],
        grace=float(config["MASTER_GRACE"]),
        stop=float(config["STALE_DOWN"]),
        act=float(config["STALE_UP"]),
        orphan=float(config["ORPHAN_TIME"]),
        hold=float(config["HOLD_TIME"]),
    )


def _compare(place: str, low: int, high: int, what: str, than: str = "MAX") -> None:
    if low > high:
        raise ConfigError(f"{place}: {what} is {low}, above {than}, which is {high}. Raise {than} or lower the other")
