"""A batch system in a file, for several processes: it behaves as Grid Engine does, as far as the loop can tell.

A host takes jobs when it is known, enabled and heard. A job whose host dies stays there until somebody releases it.
"""

import fcntl
import json
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from oned import clock
from oned.elastic.batch import About, BatchDown, Departed, Member, Observed, Refused, Told, nobody
from oned.elastic.reading import Host, Job, JobState, Part

EMPTY: dict[str, Any] = {"down": "", "hosts": {}, "jobs": {}, "unresolved": [], "calls": []}


class FileBatch:
    """A `Batch`. The test plays the users (submit, finish) and the execds (join, leave)."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = path.with_suffix(".lock")
        if not path.exists():
            path.write_text(json.dumps(EMPTY))

    # --- the users, the execds, and fate ---

    def submit(self, *, slots: int = 1, rerun: bool = True, waited: float = 1000.0) -> str:
        """A job that waits; its number."""
        with self.changing() as state:
            number = str(len(state["jobs"]) + 1)
            fresh = {"owner": "kim", "slots": slots, "rerun": rerun, "submitted": clock.now() - waited}
            state["jobs"][number] = fresh | {"host": "", "state": "waits", "starts": 0}
            self._schedule(state)
        return number

    def finish(self, job: str) -> None:
        """The job ends by itself, if its host is alive."""
        with self.changing() as state:
            found = state["jobs"][job]
            assert found["state"] == "runs", found
            assert state["hosts"][found["host"]]["heard"], "its host is dead"
            found |= {"state": "done", "host": ""}
            self._schedule(state)

    def join(self, name: str) -> bool:
        """An execd starts: it is heard if the master knows its host; else it ends, as the real one does."""
        with self.changing() as state:
            if name in state["hosts"]:
                state["hosts"][name]["heard"] = True
                self._schedule(state)
            return name in state["hosts"]

    def leave(self, name: str) -> None:
        """A host is not heard of any more."""
        with self.changing() as state:
            if name in state["hosts"]:
                state["hosts"][name]["heard"] = False

    def down(self, why: str) -> None:
        """The master does not answer, until this is "" again."""
        with self.changing() as state:
            state["down"] = why

    def restarted(self) -> None:
        """Its master has just started."""
        with self.changing() as state:
            state["master_since"] = clock.now()

    def unresolved(self, *names: str) -> None:
        """Names that do not resolve on the master."""
        with self.changing() as state:
            state["unresolved"] = list(names)

    def job(self, number: str) -> dict[str, Any]:
        """A job: state, host, and how often it was started."""
        found: dict[str, Any] = self.read()["jobs"][number]
        return found

    def states(self) -> list[str]:
        """The states of all jobs."""
        return [job["state"] for job in self.read()["jobs"].values()]

    def read(self) -> dict[str, Any]:
        """Everything."""
        found: dict[str, Any] = json.loads(self.path.read_text())
        return found

    # --- the interface ---

    def observe(self) -> Observed:
        with self._asked("observe") as state:
            jobs, hosts = state["jobs"], state["hosts"]
            return Observed(
                at=clock.now(),
                jobs=tuple(_job(number, job) for number, job in jobs.items() if job["state"] in ("waits", "runs")),
                hosts=tuple(_host(name, host, jobs) for name, host in hosts.items()),
                master_since=state.get("master_since", 0.0),
            )

    def register(self, members: Collection[Member]) -> Refused:
        with self._asked("register") as state:
            refused = {}
            for member in members:
                if member.name in state["unresolved"]:
                    refused[member.name] = "can't resolve hostname"
                else:
                    fresh = {"slots": member.slots, "enabled": False, "heard": False, "address": member.address}
                    state["hosts"].setdefault(member.name, fresh)
            return refused

    def enable(self, names: Collection[str]) -> Refused:
        return self._switch("enable", names, enabled=True)

    def drain(self, names: Collection[str]) -> Refused:
        return self._switch("drain", names, enabled=False)

    def release(self, names: Collection[str], *, kill: bool, about: About = nobody, told: Told = nobody) -> Refused:
        with self._asked("release") as state:
            there = {n: job for n, job in state["jobs"].items() if job["host"] in names and job["state"] == "runs"}
            going = {number: job for number, job in there.items() if job["rerun"] or kill}
            left = [Departed(n, job["owner"], job["host"], ended=not job["rerun"]) for n, job in going.items()]
            about(left)
            refused = {there[n]["host"]: f"job {n} cannot be started again" for n in there.keys() - going.keys()}
            for departed in left:
                told(departed)
                going[departed.job] |= {"state": "killed" if departed.ended else "waits", "host": ""}
            return refused

    def remove(self, names: Collection[str]) -> Refused:
        with self._asked("remove") as state:
            busy = {job["host"] for job in state["jobs"].values() if job["state"] == "runs"}
            for name in set(names) - busy:
                state["hosts"].pop(name, None)
            return {name: "it has a job" for name in names if name in busy}

    # ---

    def _switch(self, call: str, names: Collection[str], *, enabled: bool) -> Refused:
        with self._asked(call) as state:
            known = [name for name in names if name in state["hosts"]]
            for name in known:
                state["hosts"][name]["enabled"] = enabled
            return {name: "there is no such host" for name in names if name not in known}

    @contextmanager
    def _asked(self, call: str) -> Iterator[dict[str, Any]]:
        with self.changing() as state:
            if state["down"]:
                raise BatchDown(state["down"])
            if call != "observe":
                state["calls"].append(call)
            yield state
            self._schedule(state)

    def _schedule(self, state: dict[str, Any]) -> None:
        """Start what waits on hosts that take jobs."""
        for job in state["jobs"].values():
            for name, host in state["hosts"].items():
                free = host["slots"] - _used(name, state["jobs"])
                if job["state"] == "waits" and host["heard"] and host["enabled"] and free >= job["slots"]:
                    job |= {"state": "runs", "host": name, "starts": job["starts"] + 1}

    @contextmanager
    def changing(self) -> Iterator[dict[str, Any]]:
        with self._lock.open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            state = self.read()
            yield state
            fresh = self.path.with_suffix(".new")
            fresh.write_text(json.dumps(state))
            fresh.replace(self.path)


def _used(name: str, jobs: dict[str, Any]) -> int:
    return sum(job["slots"] for job in jobs.values() if job["host"] == name and job["state"] == "runs")


def _job(number: str, job: dict[str, Any]) -> Job:
    runs = job["state"] == "runs"
    parts = (Part(job["host"], job["slots"]),) if runs else ()
    state = JobState.RUNNING if runs else JobState.WAITING
    return Job(number, state=state, submitted=job["submitted"], slots=job["slots"], most=job["slots"],
               rerun=job["rerun"], parts=parts)  # fmt: skip


def _host(name: str, host: dict[str, Any], jobs: dict[str, Any]) -> Host:
    return Host(name, host["slots"], _used(name, jobs), heard=host["heard"], enabled=host["enabled"])
