"""`oneplain`: the loop of the elastic service over a pool of plain nodes, with settings and files of its own."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from oned import clock
from oned.client.client import Client
from oned.elastic.batch import BatchDown
from oned.elastic.care import is_old
from oned.elastic.daemon import Assembled, assemble, run, set_up_log
from oned.elastic.hooked import HOOK_SETTINGS
from oned.elastic.images.image_settings import IMAGE_SETTINGS
from oned.elastic.plain import NAME, Aged, Plain, Wanted, plain_policies
from oned.elastic.policy import Policies
from oned.elastic.provider import ProviderDown
from oned.elastic.reading import Node
from oned.elastic.service import ABOVE_ZERO
from oned.elastic.settings import ELASTIC_SETTINGS, ElasticConfig
from oned.elastic.sge.place import SGE_SETTINGS
from oned.locations import Locations
from oned.server_files import words
from oned.setting import Setting, Table, Type

CONF = f"{NAME}.conf"


def _command(text: str) -> str:
    return text if words(text) else ""


_LEFT_OUT = {setting.name for setting in (*SGE_SETTINGS, *IMAGE_SETTINGS, *HOOK_SETTINGS)}
_ABOUT_JOBS = {"BATCH", "QUOTA", "WAIT_BEFORE_UP", "LOOK_AHEAD", "BURST_AFTER"}
_DEFAULTS = {"CLUSTER": NAME, "NODE_NAMES": "node%03d", "IDLE_TIME": "0", "COOL_DOWN_DOWN": "0"}
"""What is not wanted any more goes at once."""


def _table() -> Table:
    """The settings of onesge.conf, but for those about jobs, and CHECK."""
    own = (
        Setting("CHECK", Type("a command", _command), "", "oned",
                "Tells by exit code 0 that a node is well; its name and its address are added. Without it a node is "
                "well whose VM runs. One that is not well for MAX_UNHEARD is replaced."),
        Setting("CHECK_TIME", ABOVE_ZERO, "10", "oned", "CHECK has so long; if it does not end, the node is not well."),
    )  # fmt: skip
    shared = (setting for name, setting in ELASTIC_SETTINGS.settings.items() if name not in _LEFT_OUT)
    return Table(f"{CONF}: a pool of nodes that are kept well", (*own, *map(_own, shared)), f"{NAME} --print-config")


def _own(setting: Setting) -> Setting:
    idle = "there are no jobs" if setting.name in _ABOUT_JOBS else setting.idle
    return replace(setting, default=_DEFAULTS.get(setting.name, setting.default), idle=idle)


PLAIN_SETTINGS = _table()


class PlainConfig(ElasticConfig):
    """oneplain.conf in force."""

    @staticmethod
    def default_table() -> Table:
        return PLAIN_SETTINGS

    @property
    def usual_queues(self) -> frozenset[str]:
        return frozenset()

    @property
    def memory_name(self) -> str:
        return ""


def places(environment: Mapping[str, str]) -> Locations:
    """Where the files are: all that the pool knows is in a directory of its own."""
    usual = Locations.of(environment)
    return replace(usual, var=usual.var / NAME)


def wanted(at: Locations) -> Wanted:
    """How many nodes of each class a person wants."""
    return Wanted(at.var / "wanted.json")


def pool(config: ElasticConfig, at: Locations, one: Client | None = None) -> Assembled:
    """The service that is not running yet. ConfigError, RecordsUnusable."""
    at.var.mkdir(parents=True, exist_ok=True)
    plain = Plain(at.var, wanted(at), config["CHECK"], float(config["CHECK_TIME"]))
    made = assemble(config, at, lambda _config, _records: plain, one)
    provider, policies = made.world.provider, plain_policies(made.policies)

    def running() -> set[str]:
        try:
            return {guest.node for guest in provider.guests() if guest.seen().running}
        except ProviderDown as down:
            raise BatchDown(f"oned does not tell whose VM runs: {down}") from down

    plain.running, plain.leading = running, made.lead.writing
    plain.aged = lambda: _aged([record.node for record in made.records.nodes()], policies.at(clock.now()))
    return replace(made, world=replace(made.world, policies=lambda: policies))


def _aged(nodes: Sequence[Node], policies: Policies) -> Aged:
    """The nodes that are past MAX_LIFE, and the classes that can have no other one beside theirs, but one less."""
    now, counts = clock.now(), Counter(node.klass for node in nodes)
    old = {node.name for node in nodes if is_old(node, policies.klass(node.klass), now)}
    full = {
        klass.name
        for klass in policies.classes
        if counts[klass.name] > klass.least
        and (counts[klass.name] >= klass.most or counts.total() >= policies.most > policies.least)
    }
    return Aged(old, full)


def main(config: ElasticConfig, at: Locations, *, once: bool, stderr: bool) -> None:
    """`oneplain run`. Raises ConfigError, RecordsUnusable, ClientError, OSError."""
    made = pool(config, at)
    set_up_log(None if stderr else at.log / f"{NAME}.log", made.service.level)
    try:
        run(made, once=once)
    finally:
        made.close()
