"""onesge.conf for the commands: where it is, what it says, whether it is sound."""

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from oned.cli.command import CommandError, Option, Program
from oned.cli.output import complain, say
from oned.client.client import Client

if TYPE_CHECKING:
    from oned.elastic.batch import Batch
    from oned.elastic.policy import NodeClass, Policies, Quota
    from oned.elastic.settings import ElasticConfig

CONFIG = Option("config", ("--config",), "settings instead of etc/onesge.conf", "FILE")
PRINT_CONFIG = "--print-config"


def add_conf(program: Program) -> None:
    """Give onesge the verbs."""
    program.command("config")(_config)
    program.command("check", "[<file>]")(_check)


def _config(_one: Client) -> None:
    """Prints onesge.conf with every setting, its default and its meaning; `onesge --print-config` is the same."""
    from oned.elastic.settings import print_elastic_config

    sys.stdout.write(print_elastic_config())


def _check(one: Client, file: str = "") -> int:
    """Tells whether onesge.conf, or another file, can be used; what does nothing in it is told too.

    Where oned answers it also tells of classes whose template, image or network is missing there.
    """
    path = path_of(file or None)
    if not path.is_file():
        raise CommandError(f"There is no {path}. Make one with: onesge {PRINT_CONFIG} > {path}")
    config = load(file or None)
    policies = read(config)
    for warning in config.warnings:
        complain(warning)
    parts = (("class", "classes", policies.classes), ("quota", "quotas", policies.quotas),
             ("time table", "time tables", policies.windows))  # fmt: skip
    counted = ", ".join(f"{len(found)} {one if len(found) == 1 else many}" for one, many, found in parts)
    say(f"{path} can be used: {counted}")
    notes = (*_notes(policies), *_narrow(config, policies), *_renewals(policies))
    for note in (*notes, *filter(None, unfit(config, policies, one))):
        complain(note)
    return 0


def unfit(config: "ElasticConfig", policies: "Policies", one: Client) -> tuple[str, ...]:
    """That oned could not be asked, "" if it could; then a sentence for each class of which no VM can be made."""
    from oned.client.failures import ClientError
    from oned.elastic.provider import Provider, ProviderDown
    from oned.elastic.service import read_service

    service = read_service(config)
    provider = Provider(client(config, one), service.cluster, service.pattern, lambda _record, _klass: {})
    try:
        found = provider.unfit(policies.classes)
    except (ClientError, ProviderDown) as down:
        return (f"oned does not answer, so templates of classes were not looked at: {down}",)
    return ("", *(f"No node of class {name} can be started: {why}" for name, why in found.items()))


def client(config: "ElasticConfig", one: Client) -> Client:
    """The client for the oned of the settings, `one` where they name none."""
    from oned.elastic.service import read_service

    service = read_service(config)
    return Client(service.endpoint, None, service.timeout) if service.endpoint else one


def _notes(policies: "Policies") -> Iterator[str]:
    """What is no contradiction, and hardly meant so."""
    if not policies.classes:
        yield "Without NODE_CLASS no node is ever started."
    for klass in policies.classes:
        if klass.most > policies.most:
            yield f"Class {klass.name} may have {klass.most} nodes, but MAX allows {policies.most} of all classes."
    if (least := sum(klass.least for klass in policies.classes)) > policies.most:
        yield f"MIN of the classes is {least} together, but MAX allows {policies.most} nodes of all classes."
    first: dict[tuple[str, str], str] = {}
    for quota in policies.quotas:
        for who in sorted(quota.who):
            if (other := first.setdefault((quota.by, who), quota.name)) != quota.name:
                both = f"{quota.by.capitalize()} {who} is in the quotas {other} and {quota.name}"
                yield f"{both}: it counts for {other} only."


def _narrow(config: "ElasticConfig", policies: "Policies") -> Iterator[str]:
    """Quotas that lend nothing and into which no node fits. One of 0 is meant so."""
    for (_, place), quota in zip(config.placed("QUOTA"), policies.quotas, strict=True):
        beyond = [] if quota.lends else [_beyond(klass, quota) for klass in policies.classes]
        if beyond and all(beyond):
            yield (
                f"{place}: QUOTA {quota.name} has no room for a node of any class ({'; '.join(beyond)}), and with "
                "LEND = NO none is started beyond it. Raise it, or add a class of smaller nodes."
            )


def _beyond(klass: "NodeClass", quota: "Quota") -> str:
    """What of a quota one node of a class is too much for, "" when it fits."""
    for what, one, most in (("SLOTS", klass.slots, quota.slots), ("COST", klass.price, quota.cost)):
        if 0 < most < one:
            return (
                f"class {klass.name} has {'PRICE' if what == 'COST' else what} = {one:g}, the quota {what} = {most:g}"
            )
    return ""


def _renewals(policies: "Policies") -> Iterator[str]:
    """Classes whose nodes are renewed by being fewer for a while."""
    for klass in policies.classes:
        if klass.life and klass.least and policies.tight(klass):
            yield (
                f"MIN leaves no room under MAX for one more node of class {klass.name}: one older than MAX_LIFE "
                "goes before another comes in its place."
            )


def path_of(file: str | None) -> Path:
    """The file given, else etc/onesge.conf."""
    from oned.locations import Locations

    return Path(file) if file else Locations.of(os.environ).onesge_conf


def load(file: str | None = None, overrides: Sequence[str] = ()) -> "ElasticConfig":
    """The settings in force; those of nothing where there is no file and none was asked for. Raises CommandError."""
    from oned.elastic.settings import ElasticConfig
    from oned.setting import ConfigError

    path = path_of(file)
    if file and not path.is_file():
        raise CommandError(f"There is no {path}")
    try:
        return ElasticConfig.load(path, overrides)
    except ConfigError as error:
        raise CommandError(str(error)) from None


def read(config: "ElasticConfig") -> "Policies":
    """The policies of settings. Raises CommandError when they contradict each other."""
    from oned.elastic.settings import read as policies
    from oned.setting import ConfigError

    try:
        return policies(config)
    except ConfigError as error:
        raise CommandError(str(error)) from None


def database(config: "ElasticConfig") -> Path:
    """The file of the records."""
    from oned.elastic.service import read_service
    from oned.locations import Locations

    return read_service(config).database or Locations.of(os.environ).var / "onesge.db"


def batch(config: "ElasticConfig", _records: object = None) -> "Batch":
    """The batch system of the settings. Raises CommandError for one that has a service of its own."""
    from oned.elastic.service import read_service
    from oned.elastic.sge.master import GridEngine
    from oned.elastic.sge.place import read_place

    if read_service(config).batch != "sge":
        raise CommandError("BATCH of onesge.conf is plain: such a pool is kept by another service, oneplain run")
    return GridEngine(read_place(config), database(config).with_suffix(".sge"))
