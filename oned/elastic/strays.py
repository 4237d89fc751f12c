"""Instances in EC2 with the tags of the cluster that no node has, such as after oned went back to an older database.

oned does not know them, so no VM of it leads there: EC2 itself is asked, beside the loop.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from oned import clock
from oned.elastic.accounts import Account
from oned.elastic.changes import BEGUN, DONE, Why
from oned.elastic.images.aws import CloudError, Place, failures, session
from oned.elastic.leader import Deposed, Lead
from oned.elastic.records import Records
from oned.elastic.said import Said

log = logging.getLogger(__name__)
EVERY = 60.0
"""Seconds between two looks."""
SECONDS, ATTEMPTS = 10, 3
"""For an answer of EC2, and how often a request is sent."""
ALIVE = ("pending", "running", "stopping", "stopped")
RULE = "orphan"


@dataclass(frozen=True)
class Instance:
    """An instance of the cluster, with the node that it was started for."""

    id: str
    token: str
    node: str
    launched: float


class Strays:
    """Ends what no node has, while this loop is the active one.

    patience  seconds that an instance has been there, and been seen without a node, before it is ended
    """

    def __init__(
        self, accounts: Sequence[Account], cluster: str, records: Records, lead: Lead, patience: float
    ) -> None:
        self._accounts, self._cluster = accounts, cluster
        self._records, self._lead, self._patience = records, lead, patience
        self._since: dict[tuple[Account, str], float] = {}
        self._noted: set[tuple[str, str]] = set()
        self._said = Said(log)

    def look(self) -> None:
        """Look at all accounts. What does not answer is told of in the log, and nothing is ended there."""
        try:
            for account in self._accounts if self._lead.renew() else ():
                self._look_at(account)
        except Deposed as deposed:
            log.warning("%s. Instances are left to that one", deposed)
        except SQLAlchemyError as error:
            self._said.once(
                "records", "Instances without a node are not looked for, the records cannot be used: %s", error
            )

    def _look_at(self, account: Account) -> None:
        where = f"EC2 in {account.region or 'the usual region'}"
        try:
            there = instances(account, self._cluster)
        except CloudError as error:
            session.cache_clear()
            self._said.once(str(account), "%s", error)
            return
        self._said.well(str(account), f"{where} answers again")
        for instance in self._lost(account, there, where):
            self._end(account, instance, self._since[account, instance.id])

    def _lost(self, account: Account, there: Sequence[Instance], where: str) -> list[Instance]:
        """Those that no node has and had not for long. A node is in the records before its instance is ordered."""
        nodes = self._records.nodes()
        if there and not nodes and not self._records.past(limit=1):
            text = "%s never had a node, and %s has %d instances of the cluster %s: none is ended. Is DATABASE right?"
            self._said.once("empty", text, self._records.path, where, len(there), self._cluster)
            return []
        now, known = clock.now(), {record.node.token for record in nodes}
        lost = {(account, instance.id): instance for instance in there if instance.token not in known}
        others = {key: since for key, since in self._since.items() if key[0] != account}
        self._since = others | {key: self._since.get(key, now) for key in lost}
        return [
            instance
            for key, instance in lost.items()
            if now - self._since[key] >= self._patience and now - instance.launched > self._patience
        ]

    def _end(self, account: Account, instance: Instance, since: float) -> None:
        name, age = instance.id, clock.now() - since
        why = Why(
            RULE, f"no node has had it for {age:.0f} s. It was started for {instance.node or 'one without a name'}"
        )
        self._note(name, why, BEGUN)
        try:
            end(account, name)
        except CloudError as error:
            self._said.once(name, "%s", error)
            return
        self._said.well(name)
        if self._note(name, why, DONE):
            log.info("Instance %s is ended, rule %s: %s", name, RULE, why.sentence)

    def _note(self, name: str, why: Why, result: str) -> bool:
        """A line of the audit, if it is a new one; whether it is. Raises Deposed, also where nothing is written."""
        fresh = (name, result) not in self._noted
        with self._lead.writing() as changes:
            if fresh:
                changes.audit("reap", f"instance {name}", why, result)
        self._noted.add((name, result))
        return fresh


def instances(account: Account, cluster: str) -> list[Instance]:
    """Those with the tags of the cluster, of this oned's site, that are there. Raises CloudError."""
    with failures(f"EC2 in {account.region or 'the usual region'} is not asked for instances without a node"):
        return list(_tagged(_client(account), account, cluster))


def end(account: Account, instance: str) -> None:
    """End an instance that no node has. Raises CloudError."""
    with failures(f"instance {instance}, which no node has, is not ended"):
        _client(account).terminate_instances(InstanceIds=[instance])


def _tagged(client: Any, account: Account, cluster: str) -> Iterator[Instance]:
    wanted = {
        "tag:ONESGE_CLUSTER": [cluster],
        "tag:ONE_SITE": [account.site],
        "instance-state-name": list(ALIVE),
    }
    filters = [{"Name": name, "Values": values} for name, values in wanted.items()]
    for page in client.get_paginator("describe_instances").paginate(Filters=filters):
        for reservation in page["Reservations"]:
            for found in reservation["Instances"]:
                tags = {tag["Key"]: tag["Value"] for tag in found.get("Tags", ())}
                if token := tags.get("ONE_TOKEN"):
                    launched = found["LaunchTime"].timestamp()
                    yield Instance(found["InstanceId"], token, tags.get("ONESGE_NODE", ""), launched)


def _client(account: Account) -> Any:
    place = Place(account.region, account.endpoint, account.profile)
    return place.client("ec2", seconds=SECONDS, attempts=ATTEMPTS)
