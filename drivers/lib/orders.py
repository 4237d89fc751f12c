"""Delays and failures ordered for the simulated drivers, in the file `orders` of the simulation's directory.

One order a line: a driver (vmm, im, tm or *), a verb or *, then words. Blank lines and `#` comments are skipped; the
file is read again when it changes, and its counts begin anew. The first order that fits an action is carried out:

    vmm DEPLOY host=sim03 vm=* delay=2.5 fail="no such bridge" times=1
    im MONITOR host=sim02 hang
    vmm SAVE vm=7 die

| word         | what it does                                                                              |
|--------------|-------------------------------------------------------------------------------------------|
| host=PATTERN | only actions on hosts of that name; `*` and `?` as in file names                          |
| vm=PATTERN   | only actions for that VM (im: host) id                                                    |
| times=N      | only the first N actions that fit                                                         |
| delay=S      | S seconds pass before the action                                                          |
| hang         | the action never ends; DRIVER_CANCEL ends it                                              |
| die          | the driver process ends before the action does anything (die=after: before it is answered)|
| lose         | the VM's domain vanishes from its host before the action                                  |
| fail=TEXT    | FAILURE with the text; nothing is done                                                    |
| info=TEXT    | SUCCESS with the text instead of the true one                                             |
| garbage      | lines that are no answers are written before the answer                                   |
| halfline[=S] | the answer is written in two pieces, S (1) seconds apart                                   |
"""

import fnmatch
import logging
import os
import shlex
import threading
from dataclasses import dataclass, field
from pathlib import Path

from oned.drivers.lib.task import ActionFailed, Task

log = logging.getLogger(__name__)

WORDS = frozenset(["host", "vm", "times", "delay", "hang", "die", "lose", "fail", "info", "garbage", "halfline"])
GARBAGE = ("DEPLOY", "no such answer", "\x01\x02 SUCCESS", "SUCCESS SUCCESS SUCCESS", "POLL SUCCESS 999999 STATE=d")


@dataclass
class Order:
    """One line of the file; `done` counts the actions it was carried out for."""

    driver: str
    verb: str
    words: dict[str, str] = field(default_factory=dict)
    done: int = 0

    def fits(self, driver: str, verb: str, host: str, oid: int) -> bool:
        """Whether the order is meant for the action and not used up."""
        wanted = (
            (driver, self.driver),
            (verb, self.verb),
            (host, self._pattern("host")),
            (str(oid), self._pattern("vm")),
        )
        left = "times" not in self.words or self.done < int(self.words["times"])
        return left and all(fnmatch.fnmatchcase(given, pattern) for given, pattern in wanted)

    def _pattern(self, word: str) -> str:
        return self.words.get(word, "*")

    def seconds(self, word: str, default: float) -> float:
        """The number given with a word."""
        return float(self.words.get(word) or default)

    def before(self, task: Task) -> None:
        """What the order wants before the action is done. Errors: ActionFailed, Cancelled."""
        if "delay" in self.words:
            task.sleep(self.seconds("delay", 0.0))
        if "hang" in self.words:
            task.sleep(None)
        if "die" in self.words and self.words["die"] != "after":
            os._exit(1)
        if "fail" in self.words:
            raise ActionFailed(self.words["fail"] or "failure ordered")

    def after(self, task: Task, info: str) -> str:
        """What the order makes of the action's answer."""
        if "die" in self.words:
            os._exit(1)
        if "garbage" in self.words:
            for line in GARBAGE:
                task.voice.line(line)
        if "halfline" in self.words:
            task.torn = self.seconds("halfline", 1.0)
        return self.words.get("info", info)


class Orders:
    """The orders of one simulation."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / "orders"
        self._lock = threading.Lock()
        self._stamp: tuple[int, int] | None = None
        self._orders: list[Order] = []

    def take(self, driver: str, verb: str, host: str, oid: int) -> Order:
        """The order for an action, counted as carried out; one that wants nothing if there is none."""
        with self._lock:
            self._read_again()
            order = next((order for order in self._orders if order.fits(driver, verb, host, oid)), Order(driver, verb))
            order.done += 1
            return order

    def _read_again(self) -> None:
        """Read the file if it has changed since it was read last."""
        try:
            status = self._path.stat()
            stamp = (status.st_mtime_ns, status.st_size)
        except FileNotFoundError:
            stamp = None
        if stamp == self._stamp:
            return
        self._stamp = stamp
        self._orders = [] if stamp is None else parse(self._path.read_text("utf-8"))


def parse(text: str) -> list[Order]:
    """The orders of a file's text; a line that is none is logged and skipped."""
    orders = []
    for number, line in enumerate(text.splitlines(), 1):
        try:
            if words := shlex.split(line, comments=True):
                orders.append(_order(words))
        except ValueError as error:
            log.error("line %d of the orders is skipped: %s", number, error)
    return orders


def _order(words: list[str]) -> Order:
    """Errors: ValueError for an unknown word, a number that is none, or a missing verb."""
    driver, verb, *rest = words if len(words) > 1 else [*words, ""]
    pairs = {name: value for name, _, value in (word.partition("=") for word in rest)}
    order = Order(driver, verb, pairs)
    if unknown := pairs.keys() - WORDS:
        raise ValueError(f"unknown word {min(unknown)}")
    if not verb:
        raise ValueError("no verb")
    for number in ("times", "delay", "halfline"):
        order.seconds(number, 0.0)
    return order
