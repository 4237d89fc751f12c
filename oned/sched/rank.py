"""How good hosts are, and other expressions, as columns over the hosts."""

import logging
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from oned.sched.capacity import EVERYWHERE, MOVING, Books, Index
from oned.template import expr

log = logging.getLogger(__name__)

CUSTOM = 3
POLICIES: Mapping[int, tuple[str, str]] = {
    0: ("packing", "RUNNING_VMS"),
    1: ("striping", "- RUNNING_VMS"),
    2: ("load-aware", "FREE_CPU"),
    CUSTOM: ("custom", ""),
    4: ("fixed", "PRIORITY"),
}
"""DEFAULT_SCHED's POLICY → its name and the rank of a VM that has none; custom takes that of DEFAULT_SCHED."""

_VECTORS: Mapping[str, Callable[[Books, Index], NDArray[np.float64]]] = {
    "RUNNING_VMS": lambda books, at: books.running[at].astype(np.float64),
    "- RUNNING_VMS": lambda books, at: -books.running[at].astype(np.float64),
    "FREE_CPU": lambda books, at: books.idle_cpu[at],
}
"""Ranks of policies without a look at any single host."""


class Column:
    """An expression's value on every host, up to date with the books. `moves` is False when no placement changes it."""

    def __init__(self, books: Books, text: str, value: Callable[[expr.Lookup], float]) -> None:
        self._books, self._value = books, value
        self.moves = any(name in text for name in MOVING)
        self._seen = len(books.changes)
        self._values = np.array([value(attributes.get) for attributes in books.attributes], dtype=np.float64)

    def __call__(self, at: Index = EVERYWHERE) -> NDArray[np.float64]:
        """The values at these hosts."""
        if self.moves:
            for changed in set(self._books.changes[self._seen :]):
                self._values[changed] = self._value(self._books.attributes[changed].get)
            self._seen = len(self._books.changes)
        return self._values[at]


class Ranks:
    """The ranks of one cycle, one column for each text."""

    def __init__(self, books: Books, policy: int, custom: str) -> None:
        self._books = books
        self.policy, text = POLICIES.get(policy, ("unknown", ""))
        self._default = custom if policy == CUSTOM else text
        self._columns: dict[str, Callable[[Index], NDArray[np.float64]]] = {}

    def column(self, text: str) -> Callable[[Index], NDArray[np.float64]]:
        """The ranks of VMs with this RANK ("" is the policy's), at the hosts asked for."""
        text = text or self._default
        if text not in self._columns:
            self._columns[text] = self._make(text)
        return self._columns[text]

    def own_first(self, text: str) -> bool:
        """Whether hosts of one's own come before public clouds, whatever their ranks: where nobody has set a rank."""
        return not text and self._default in _VECTORS

    def why(self, text: str) -> str:
        """What decides, for the user: the VM's own rank or the policy."""
        return f"RANK {text}" if text else f"policy {self.policy}"

    def _make(self, text: str) -> Callable[[Index], NDArray[np.float64]]:
        if text in _VECTORS:
            vector = _VECTORS[text]
            return lambda at: vector(self._books, at)
        try:
            return Column(self._books, text, expr.rank(text))
        except expr.ExpressionError as error:
            log.error("RANK %s counts as 0: %s", text, error)
            return Column(self._books, "", expr.rank(""))
