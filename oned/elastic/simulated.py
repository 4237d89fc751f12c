"""A batch system in simulated time: nodes with slots, jobs that wait and run, first come first served.

It starts the oldest job that has room; one that has none holds nobody up (Grid Engine without reservations).
"""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import count

from oned.elastic.demand import Kind, Shape
from oned.elastic.reading import Host, Job, JobState, Part


@dataclass(slots=True, eq=False)
class Task:
    """What is to run, and what became of it.

    job       what is asked for, as the planner reads it
    name      of the job
    seconds   how long it runs
    limit     h_rt, 0 for none
    started   -1 before; of a task that was started again, the last time
    run       a number for each of its starts
    """

    number: int
    job: Job
    name: str
    shape: Shape
    seconds: float
    limit: float = 0.0
    started: float = -1.0
    run: int = 0
    parts: tuple[Part, ...] = ()


@dataclass(slots=True, eq=False)
class Machine:
    """A node as the batch system has it.

    free, memory  slots and MiB that no job has
    open          jobs may start
    """

    name: str
    kind: Kind
    free: int
    memory: int
    open: bool = False
    tasks: set[Task] = field(default_factory=set)
    told: Host | None = None

    def host(self) -> Host:
        """As the batch system tells of it."""
        if self.told is None:
            kind = self.kind
            self.told = Host(self.name, kind.slots, kind.slots - self.free, kind.memory, self.memory, kind.arch,
                             kind.queues, enabled=self.open)  # fmt: skip
        return self.told

    def pieces(self, shape: Shape) -> int:
        """How many pieces of a shape have room."""
        piece = shape.piece
        if self.kind.memory and shape.memory:
            return min(self.free // piece, self.memory // (piece * shape.memory))
        return self.free // piece

    def take(self, slots: int, memory: int) -> None:
        """Give slots, each with memory, to a job; a negative number takes them back."""
        self.free -= slots
        self.memory -= slots * memory
        self.told = None


@dataclass(slots=True, eq=False)
class _Group:
    """Tasks alike that wait since the same time: to the planner they are an array."""

    job: Job
    tasks: deque[Task] = field(default_factory=deque)
    told: Job | None = None

    def as_job(self) -> Job:
        if self.told is None:
            self.told = replace(self.job, tasks=len(self.tasks))
        return self.told


class SimulatedBatch:
    """The machines and the tasks.

    tasks                     that run, as the planner reads them
    waiting, waiting_slots    tasks that wait, and their slots
    used                      slots in which tasks run
    usually                   how long a task is expected to run, 0 where nobody knows
    """

    def __init__(self, usually: Callable[[Task], float] = lambda task: task.limit) -> None:
        self._usually = usually
        self.machines: dict[str, Machine] = {}
        self.tasks: dict[Task, Job] = {}
        self.waiting = self.used = self.waiting_slots = 0
        self._groups: dict[tuple[Job, float], _Group] = {}
        self._queues: dict[Shape, list[_Group]] = {}
        self._fits: dict[Shape, dict[Kind, bool]] = {}
        self._starts = count(1)
        self._changed = False

    def hosts(self) -> tuple[Host, ...]:
        """What the batch system tells of its hosts."""
        return tuple(machine.host() for machine in self.machines.values())

    def jobs(self) -> tuple[Job, ...]:
        """What it tells of its jobs."""
        return (*self.tasks.values(), *(group.as_job() for group in self._groups.values()))

    def left(self) -> Iterator[tuple[Job, Task]]:
        """Each task that runs or waits, with the job as which it tells of it."""
        yield from ((job, task) for task, job in self.tasks.items())
        yield from ((group.as_job(), task) for group in self._groups.values() for task in group.tasks)

    def youngest(self) -> float:
        """When the last of the tasks that wait began to; 0 when none waits."""
        return max((group.job.submitted for group in self._groups.values()), default=0.0)

    def submit(self, task: Task) -> None:
        """A task waits; those that have waited longer are before it."""
        like = replace(task.job, id="")
        key = (like, task.job.submitted)
        group = self._groups.get(key)
        if group is None:
            group = self._groups[key] = _Group(task.job)
            queue = self._queues.setdefault(task.shape, [])
            queue.append(group)
            if len(queue) > 1 and queue[-2].job.submitted > task.job.submitted:
                queue.sort(key=lambda one: one.job.submitted)
        group.tasks.append(task)
        group.told = None
        self.waiting += 1
        self.waiting_slots += task.shape.slots
        self._changed = True

    def add(self, name: str, kind: Kind) -> None:
        """A machine that takes no jobs yet."""
        self.machines[name] = Machine(name, kind, kind.slots, kind.memory)

    def open(self, name: str, *, to_jobs: bool) -> None:
        """Let jobs start on a machine, or not. The order in which machines were opened is that in which they fill."""
        machine = self.machines.pop(name)
        machine.open, machine.told = to_jobs, None
        self.machines[name] = machine
        self._changed |= to_jobs

    def remove(self, name: str) -> list[Task]:
        """A machine is gone; what ran there waits again, and is returned."""
        tasks = sorted(self.machines[name].tasks, key=lambda task: task.number)
        for task in tasks:
            self.end(task)
            task.started, task.parts = -1.0, ()
            self.submit(task)
        del self.machines[name]
        return tasks

    def end(self, task: Task) -> None:
        """A task has ended."""
        for part in task.parts:
            machine = self.machines[part.node]
            machine.take(-part.slots, task.shape.memory)
            machine.tasks.discard(task)
        del self.tasks[task]
        self.used -= task.shape.slots
        self._changed = True

    def start(self, now: float) -> Iterator[Task]:
        """Start what has room, the oldest first; each is told of before the next is looked at."""
        if not self._changed:
            return
        self._changed = False
        open_now = [machine for machine in self.machines.values() if machine.open and machine.free]
        heads = {shape: queue[0].job.submitted for shape, queue in self._queues.items()}
        while heads and open_now:
            shape = min(heads, key=lambda one: heads[one])
            parts = self._place(shape, open_now)
            if not parts:
                del heads[shape]
                continue
            yield self._begin(self._next(shape), parts, now)
            open_now = [machine for machine in open_now if machine.free]
            if shape in self._queues:
                heads[shape] = self._queues[shape][0].job.submitted
            else:
                del heads[shape]

    def _next(self, shape: Shape) -> Task:
        """The oldest task of a shape, which waits no more."""
        queue = self._queues[shape]
        group = queue[0]
        task = group.tasks.popleft()
        group.told = None
        if not group.tasks:
            queue.pop(0)
            del self._groups[(replace(group.job, id=""), group.job.submitted)]
            if not queue:
                del self._queues[shape]
        self.waiting -= 1
        self.waiting_slots -= shape.slots
        return task

    def _begin(self, task: Task, parts: tuple[Part, ...], now: float) -> Task:
        for part in parts:
            machine = self.machines[part.node]
            machine.take(part.slots, task.shape.memory)
            machine.tasks.add(task)
        task.started, task.parts, task.run = now, parts, next(self._starts)
        usually = self._usually(task)
        ends = now + usually if usually else 0.0
        self.tasks[task] = replace(task.job, state=JobState.RUNNING, parts=parts, ends=ends)
        self.used += task.shape.slots
        return task

    def _place(self, shape: Shape, machines: list[Machine]) -> tuple[Part, ...]:
        """Slots for a task, nothing when it has no room."""
        parts, left = [], shape.slots // shape.piece
        most = 1 if shape.layout > 0 else left
        fits = self._fits.setdefault(shape, {})
        for machine in machines:
            pieces = min(left, most, machine.pieces(shape))
            if pieces <= 0:
                continue
            if machine.kind not in fits:
                fits[machine.kind] = not shape.misfit(machine.kind)
            if fits[machine.kind]:
                parts.append(Part(machine.name, pieces * shape.piece))
                left -= pieces
                if not left:
                    return tuple(parts)
        return ()
