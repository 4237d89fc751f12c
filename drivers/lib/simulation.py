"""A simulated driver's world: the truth of its hosts, and the orders that disturb it."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from oned.drivers.lib.driver import Driver
from oned.drivers.lib.orders import Orders
from oned.drivers.lib.task import Task
from oned.drivers.lib.truth import Truth, simulation_directory

R = TypeVar("R")


class Simulation:
    """What the actions of one simulated driver ("vmm", "im" or "tm") work on; ready after the driver's start."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.directory = Path()
        self.truth: Truth
        self.orders: Orders

    def add_to(self, driver: Driver[R]) -> None:
        """Give the driver the option --truth, and open the simulation when the driver starts."""
        driver.options.add_argument("--truth", metavar="DIR")
        driver.prepare(self._open)

    def _open(self, arguments: argparse.Namespace) -> None:
        self.directory = simulation_directory(arguments.truth)
        self.truth = Truth(self.directory)
        self.orders = Orders(self.directory)

    def perform(self, task: Task, host: str, verb: str, act: Callable[[], str]) -> str:
        """The answer of `act`, disturbed as ordered. Errors: ActionFailed, Cancelled."""
        order = self.orders.take(self.kind, verb, host, task.oid)
        if "lose" in order.words and (domain := self.truth.find(task.oid, host)):
            self.truth.drop(domain)
        order.before(task)
        return order.after(task, act())
