"""First-fit of what waits into nodes that run, then into nodes on their way, then into new ones."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum

from oned.elastic.demand import Demand, Kind, Shape, Want, kind_of
from oned.elastic.growth import Growth, Need, New
from oned.elastic.needs import times
from oned.elastic.policy import NO_LIMIT
from oned.elastic.reading import WHOLE


class Room(Enum):
    """Where a task finds its place; one that needs several nodes counts at the last of these."""

    FREE = "free slots"
    ENDING = "slots of jobs that end soon"
    DRAINING = "nodes that were to leave"
    COMING = "nodes on their way"
    NEW = "new nodes"


_ORDER = list(Room)


@dataclass(frozen=True)
class Ending:
    """Slots that a running job is expected to free."""

    at: float
    slots: int
    memory: int
    needs: tuple[tuple[str, float], ...] = ()


@dataclass(slots=True)
class Bin:
    """A node while tasks are packed.

    free, memory  slots and MiB; below zero when what ends soon was promised
    left          the same of what else is counted, as far as it is asked for
    endings       what jobs free, and when
    taken         slots promised to what waits
    """

    name: str
    klass: str
    kind: Kind
    room: Room
    free: int
    memory: int
    endings: list[Ending] = field(default_factory=list)
    taken: int = 0
    left: dict[str, float] = field(default_factory=dict)

    def pieces(self, shape: Shape, horizon: float) -> int:
        """How many pieces of a shape it has room for, with what ends up to then."""
        slots, memory = self.free, self.memory
        for ending in self.endings:
            if ending.at <= horizon:
                slots += ending.slots
                memory += ending.memory
        piece = shape.piece
        if slots < piece:
            return 0
        count = slots // piece
        if shape.memory and memory < NO_LIMIT:
            count = max(0, min(count, memory // (piece * shape.memory)))
        return self._counted(shape, horizon, count) if count and shape.counted else count

    def _counted(self, shape: Shape, horizon: float, count: int) -> int:
        """How many of so many pieces have what is counted beside slots and memory."""
        for name, each in shape.counted:
            if each > 0 and name in self.left:
                ends = sum(dict(ending.needs).get(name, 0.0) for ending in self.endings if ending.at <= horizon)
                count = min(count, times(self.left[name] + ends, each))
        return count

    def take(self, shape: Shape, pieces: int) -> Room:
        """Promise room for pieces; a negative number gives it back. Where they are."""
        slots = pieces * shape.piece
        self.free -= slots
        self.taken += slots
        if self.memory < NO_LIMIT:
            self.memory -= slots * shape.memory
        for name, each in shape.counted:
            if name in self.left:
                self.left[name] -= pieces * each
        short = self.free < 0 or self.memory < 0 or any(left < 0 for left in self.left.values())
        return Room.ENDING if self.room is Room.FREE and short else self.room


def empty(kind: Kind, name: str, klass: str, room: Room, counted: Iterable[str] = ()) -> Bin:
    """A node without jobs. `counted`: the names of which what is left is to be known."""
    left = {key: most for key in counted if (most := kind.most(key)) is not None}
    return Bin(name, klass, kind, room, kind.slots, kind.memory or NO_LIMIT, left=left)


@dataclass
class Placed:
    """What became of the tasks of a shape.

    where   tasks by where they found room, and the class of that node, "" for one of others
    nodes   the names of those that are there
    new     nodes to be started, by class
    unmet   tasks without any, and why
    passed  of them, those whose part of the batch system's quotas others have got: they find no room in this plan
    """

    want: Want
    where: Counter[tuple[Room, str]] = field(default_factory=Counter)
    nodes: set[str] = field(default_factory=set)
    new: Counter[str] = field(default_factory=Counter)
    unmet: int = 0
    reason: str = ""
    passed: int = 0


@dataclass
class _Turn:
    """One going through of the tasks of a shape.

    horizon  what is free by then counts
    least    tasks that stay without room: they are too young for this turn
    lent     nodes may be beyond the owner's quota
    young    tasks that are too young for a new node take what is left on nodes that come
    old      by class, how many tasks are not too young
    """

    placed: Placed
    horizon: float
    least: int = 0
    lent: bool = False
    young: bool = False
    old: dict[str, int] = field(default_factory=dict)

    @property
    def left(self) -> int:
        """Tasks that want room in this turn."""
        return max(0, self.placed.unmet - max(self.least, self.placed.passed))


@dataclass(frozen=True)
class _Before:
    """How things were before the young tasks shared what was left: bins in all, bins with room, shapes with tasks."""

    count: int
    bins: list[tuple[Bin, int, int, int, dict[str, float]]]
    placed: list[tuple[Placed, Counter[tuple[Room, str]], set[str], int]]


class Packing:
    """Tasks into bins. No bin ever gets more than it has room for.

    A task may be too young to have a node started for it. Nodes that come are first for those that are not, and only
    what is left there is for the young: else they would take the place of the task for which a node was started, and
    that one would ask again.

    Slots of jobs that end soon are promised only to tasks that have not waited for longer than a new node would have
    taken: Grid Engine gives such slots to whatever fits, and for a task that needs several at once that promise could
    be made again for ever. What has waited longer asks for a node, and shares in such slots only when none can come.

    bins       in the order in which they are filled
    look_ahead whether slots count that are free before a new node would be there
    counted    names of what jobs take beside slots and memory, as far as what waits asks for it
    """

    def __init__(
        self, bins: Sequence[Bin], growth: Growth, now: float, *, look_ahead: bool, counted: Iterable[str] = ()
    ) -> None:
        self.bins = list(bins)
        self._open = list(bins)
        self._kinds: dict[str, Kind] = {}
        self._growth, self._now, self._look_ahead = growth, now, look_ahead
        self._counted = tuple(counted)
        self._before = self._as_it_is(())

    def pack(self, wanted: Demand) -> list[Placed]:
        """All of it; what finds no room takes nothing of the batch system's limits, and others come in its place."""
        placed = fresh = self._pack(wanted.wants, [])
        while more := wanted.more([(one.want, one.unmet) for one in fresh if one.unmet]):
            for one in fresh:
                one.passed = one.unmet
            fresh = self._pack(more, placed)
            placed = placed + fresh
        return placed

    def _pack(self, wants: Iterable[Want], before: Sequence[Placed]) -> list[Placed]:
        """Within the quotas first, then what is lent, then the young ones, with those of before."""
        self._take_back()
        placed = [Placed(want, unmet=want.tasks) for want in wants]
        for one in placed:
            self._serve(one)
        for one in placed:
            if one.unmet and one.want.shape.owner:
                self._serve(one, lent=True)
        self._share([*before, *placed])
        return placed

    def again(self, placed: Sequence[Placed]) -> None:
        """What found no room, once more, and the young ones anew: nodes have been added since."""
        self._take_back()
        for one in placed:
            if one.unmet:
                self._serve(one)
        self._share(placed)

    def add(self, new: New) -> Bin:
        """The bin of a node that is to be started."""
        kind = self._kinds.setdefault(new.klass.name, kind_of(new.klass))
        bin = empty(kind, f"new {len(self._growth.new)}", new.klass.name, Room.NEW, self._counted)
        self.bins.append(bin)
        self._open.append(bin)
        return bin

    def _serve(self, placed: Placed, *, lent: bool = False) -> None:
        """Tasks that have waited too long for slots that end soon; and then, when all of them have room, the rest."""
        young = placed.want.tasks - self._overdue(placed.want)
        if placed.unmet > young:
            self._place(_Turn(placed, self._now, young, lent))
        if placed.unmet <= young:
            self._place(_Turn(placed, self._horizon(placed), lent=lent))

    def _overdue(self, want: Want) -> int:
        """How many tasks have waited for longer than a node started for them would have taken to come."""
        klass = self._growth.likely(want.shape) if self._look_ahead else None
        if klass is None:
            return 0
        return want.before(self._now - self._growth.patience(klass, want.shape) - klass.boot)

    def _horizon(self, placed: Placed) -> float:
        return self._now + (self._growth.boot(placed.want.shape) if self._look_ahead else 0.0)

    def _share(self, placed: Sequence[Placed]) -> None:
        """What is left on nodes that come, for those that are too young to have one started."""
        self._before = self._as_it_is(placed)
        for one in placed:
            if one.unmet:
                self._place(_Turn(one, self._horizon(one), young=True))

    def _as_it_is(self, placed: Iterable[Placed]) -> _Before:
        return _Before(
            len(self.bins),
            [(bin, bin.free, bin.memory, bin.taken, dict(bin.left)) for bin in self._open],
            [(one, one.where.copy(), set(one.nodes), one.unmet) for one in placed if one.unmet],
        )

    def _take_back(self) -> None:
        """Undo the last sharing: with one node more it comes out as if that had been there at first."""
        before = self._before
        for bin, free, memory, taken, left in before.bins:
            bin.free, bin.memory, bin.taken, bin.left = free, memory, taken, dict(left)
        for one, where, nodes, unmet in before.placed:
            one.where, one.nodes, one.unmet = where, nodes, unmet
        self._open = [bin for bin, *_ in before.bins] + self.bins[before.count :]

    def _place(self, turn: _Turn) -> None:
        shape = turn.placed.want.shape
        self._open = [bin for bin in self._open if bin.free > 0 or bin.endings]
        kinds = {id(bin.kind): bin.kind for bin in self._open}  # hashing kinds would take longer than all the rest
        fits = {number for number, kind in kinds.items() if not shape.misfit(kind)}
        bins = [bin for bin in self._open if id(bin.kind) in fits and bin.pieces(shape, turn.horizon)]
        if shape.pinned:
            bins = [
                bin for bin in self._open if not shape.misfit(bin.kind.at(bin.name)) and bin.pieces(shape, turn.horizon)
            ]
        if shape.layout == WHOLE:
            self._place_whole(turn, bins)
        while turn.left and self._place_one(turn, bins):
            bins = [bin for bin in bins if bin.pieces(shape, turn.horizon)]

    def _place_whole(self, turn: _Turn, bins: Sequence[Bin]) -> None:
        """Tasks that are on one node each, as many on each bin as it holds."""
        placed = turn.placed
        for bin in bins:
            if not turn.left:
                return
            count = min(bin.pieces(placed.want.shape, turn.horizon), self._may(turn, bin))
            if count:
                self._book(placed, [(bin, count)], count)

    def _may(self, turn: _Turn, bin: Bin) -> int:
        """How many of the tasks without room count on a bin: on one that comes, those that could have it started."""
        placed = turn.placed
        if turn.young or bin.room in (Room.FREE, Room.DRAINING):
            return turn.left
        if bin.klass not in turn.old:
            klass = self._growth.policies.klass(bin.klass)
            turn.old[bin.klass] = placed.want.before(self._now - self._growth.patience(klass, placed.want.shape))
        return max(0, min(turn.left, turn.old[bin.klass] - (placed.want.tasks - placed.unmet)))

    def _place_one(self, turn: _Turn, bins: list[Bin]) -> bool:
        """One task, with new nodes for what does not fit; all of it or nothing. New bins are added to the bins."""
        placed, shape = turn.placed, turn.placed.want.shape
        gathered, missing = _gather(shape, (bin for bin in bins if self._may(turn, bin)), turn.horizon)
        opened: list[Bin] = []
        if missing and turn.young:
            return False
        while missing > 0:
            new = self._growth.grow(self._need(placed, missing, turn.lent))
            if isinstance(new, str):
                placed.reason = new
                self._growth.undo(len(opened))
                for bins_of in (self.bins, self._open):
                    del bins_of[len(bins_of) - len(opened) :]
                return False
            opened.append(self.add(new))
            count = min(opened[-1].pieces(shape, turn.horizon), missing, _most_on_one(shape))
            gathered.append((opened[-1], count))
            missing -= count
        self._book(placed, gathered, 1)
        placed.new.update(bin.klass for bin in opened)
        bins += opened
        if shape.layout == WHOLE and opened:
            self._place_whole(turn, opened)
        return True

    def _need(self, placed: Placed, missing: int, lent: bool) -> Need:
        want = placed.want
        oldest = want.since(want.tasks - placed.unmet)
        left = (
            placed.unmet if want.shape.layout == WHOLE else max(1, -(-missing * want.shape.piece // want.shape.slots))
        )
        return Need(want.shape, left, self._now - oldest, lent)

    def _book(self, placed: Placed, gathered: Sequence[tuple[Bin, int]], tasks: int) -> None:
        rooms = [(bin.take(placed.want.shape, pieces), bin.klass) for bin, pieces in gathered]
        placed.nodes.update(bin.name for bin, _ in gathered if bin.room is not Room.NEW)
        placed.where[max(rooms, key=lambda found: _ORDER.index(found[0]))] += tasks
        placed.unmet -= tasks


def _gather(shape: Shape, bins: Iterable[Bin], horizon: float) -> tuple[list[tuple[Bin, int]], int]:
    """Bins with pieces of one task on each, and how many pieces have no place."""
    gathered, missing = [], shape.slots // shape.piece
    for bin in bins:
        if not missing:
            break
        count = min(bin.pieces(shape, horizon), missing, _most_on_one(shape))
        if count:
            gathered.append((bin, count))
            missing -= count
    return gathered, missing


def _most_on_one(shape: Shape) -> int:
    """Pieces of one task that may be on the same node: with a fixed number on each node, one."""
    return 1 if shape.layout > 0 else shape.slots
