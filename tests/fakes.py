"""Fakes that speak the real protocols."""

from __future__ import annotations

import base64
import os
import queue
import socket
import threading
from pathlib import Path
from types import TracebackType

PROGRAM = Path(__file__).with_name("fake_driver.py")


class FakeDriver:
    """The test's end of a driver: asks what the daemon said, and says what it is to hear.

    `section` and `vector` configure it: the program is tests/fake_driver.py, its argument the control socket.
    A driver that is started again connects again; its lines go on in the same queue. INIT is answered with `greeting`
    (None leaves it unanswered) and is not among the lines; verbs of `answers_all` are, though they answer themselves.
    """

    def __init__(self, control: Path, greeting: str | None = "INIT SUCCESS - -") -> None:
        self.control, self.greeting = control, greeting
        self.starts = 0
        self._lines: queue.Queue[str] = queue.Queue()
        self._scripts: dict[str, str] = {}
        self._driver: socket.socket | None = None
        self._connected = threading.Condition()
        self._door = socket.socket(socket.AF_UNIX)
        self._door.bind(str(control))
        self._door.listen()
        threading.Thread(target=self._welcome, daemon=True).start()

    def __enter__(self) -> FakeDriver:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def vector(self) -> dict[str, str]:
        """EXECUTABLE and ARGUMENTS for a driver section of oned.conf."""
        return {"EXECUTABLE": str(PROGRAM), "ARGUMENTS": str(self.control)}

    def section(self, mad: str, name: str, **attributes: str) -> str:
        """The section as text of oned.conf: `section("VM_MAD", "dummy", TYPE="xml")`."""
        words = {"NAME": name, **self.vector, **attributes}
        inside = ", ".join(f'{word} = "{value}"' for word, value in words.items())
        return f"{mad} = [ {inside} ]\n"

    def next_line(self, timeout: float = 5.0) -> str:
        """The next line from the daemon; AssertionError when none comes in time."""
        try:
            return self._lines.get(timeout=timeout)
        except queue.Empty:
            raise AssertionError(f"no line from the daemon within {timeout:g} s") from None

    def lines(self) -> list[str]:
        """The lines that have come and were not asked for yet."""
        waiting = []
        while not self._lines.empty():
            waiting.append(self._lines.get())
        return waiting

    def answers(self, text: str) -> None:
        """One line to the daemon: `answers("DEPLOY SUCCESS 7 one-7")`."""
        self._order(f"say {text}")

    def answers_all(self, verb: str, answer: str = "SUCCESS {id} -") -> None:
        """Answers every request of the verb from now on: "{id}" and "{host}" are those of the request."""
        self._scripts[verb] = answer

    def answers_raw(self, data: bytes) -> None:
        """Bytes to the daemon, as they are: half lines, garbage."""
        self._order(f"raw {base64.b64encode(data).decode()}")

    def complains(self, text: str) -> None:
        """A line on its stderr."""
        self._order(f"err {text}")

    def dies(self, status: int = 1) -> None:
        """Ends at once, without a word."""
        self._order(f"exit {status}")

    def hangs(self) -> None:
        """Reads its input no more, and does not end on TERM; returns when it is so."""
        self._order("hang")
        while self.next_line() != "HANGS":
            pass

    def close(self) -> None:
        """Ends the driver program, if it runs, and gives up the control socket."""
        self._door.close()
        with self._connected:
            if self._driver:
                self._driver.close()
        self.control.unlink(missing_ok=True)

    def _order(self, text: str) -> None:
        with self._connected:
            assert self._connected.wait_for(lambda: self._driver, timeout=5.0), "the driver was not started"
            assert self._driver
            self._driver.sendall(text.encode() + b"\n")

    def _welcome(self) -> None:
        while True:
            try:
                driver, _ = self._door.accept()
            except OSError:
                return
            with self._connected:
                self._driver = driver
                self.starts += 1
                self._connected.notify_all()
            threading.Thread(target=self._listen, args=(driver,), daemon=True).start()

    def _listen(self, driver: socket.socket) -> None:
        with driver.makefile("r", encoding="utf-8", newline="\n") as lines:
            for line in lines:
                self._hear(driver, line.rstrip("\n"))
        with self._connected:
            if self._driver is driver:
                self._driver = None

    def _hear(self, driver: socket.socket, line: str) -> None:
        words = line.split()
        if words == ["INIT"]:
            if self.greeting is not None:
                driver.sendall(f"say {self.greeting}\n".encode())
            return
        self._lines.put(line)
        if words and words[0] in self._scripts:
            host = words[2] if len(words) > 2 else ""
            answer = self._scripts[words[0]].format(id=words[1], host=host)
            driver.sendall(f"say {words[0]} {answer}\n".encode())


def environment() -> dict[str, str]:
    """What a driver program needs to run."""
    return {"PATH": os.environ["PATH"]}
