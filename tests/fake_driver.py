#!/usr/bin/env python3
"""A driver that does what a test tells it: the program behind tests.fakes.FakeDriver.

    EXECUTABLE = "/…/tests/fake_driver.py", ARGUMENTS = "/path/of/the/control.socket"

Each line from the daemon goes to the control socket as it is. What comes back is one order a line: `say TEXT` (a line
to the daemon), `raw BASE64` (bytes to the daemon, as they are), `err TEXT` (a line on stderr), `exit STATUS` (below 0:
by that signal), `hang` (reads the daemon no more and ignores TERM and the end of its input). FINALIZE and the end of
either input end it.
"""

import base64
import os
import selectors
import signal
import socket
import sys


class Program:
    """Two inputs, each cut into lines; one thread."""

    def __init__(self, control: socket.socket) -> None:
        self.control = control
        self.inputs = selectors.DefaultSelector()
        self.inputs.register(0, selectors.EVENT_READ, self.from_daemon)
        self.inputs.register(control, selectors.EVENT_READ, self.from_test)
        self.begun = {0: b"", control.fileno(): b""}

    def run(self) -> None:
        while True:
            for ready, _ in self.inputs.select():
                for line in self.lines(ready.fd):
                    ready.data(line)

    def lines(self, descriptor: int) -> list[bytes]:
        data = os.read(descriptor, 65536)
        if not data:
            sys.exit(0)
        *whole, self.begun[descriptor] = (self.begun[descriptor] + data).split(b"\n")
        return whole

    def from_daemon(self, line: bytes) -> None:
        self.control.sendall(line + b"\n")
        if line == b"FINALIZE":
            sys.exit(0)

    def from_test(self, line: bytes) -> None:
        order, _, rest = line.partition(b" ")
        orders = {b"say": self.say, b"raw": self.raw, b"err": self.err, b"exit": self.exit, b"hang": self.hang}
        orders[order](rest)

    def say(self, rest: bytes) -> None:
        os.write(1, rest + b"\n")

    def raw(self, rest: bytes) -> None:
        os.write(1, base64.b64decode(rest))

    def err(self, rest: bytes) -> None:
        os.write(2, rest + b"\n")

    def exit(self, rest: bytes) -> None:
        status = int(rest)
        if status < 0:
            os.kill(os.getpid(), -status)
        os._exit(status)

    def hang(self, _: bytes) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        self.inputs.unregister(0)
        self.control.sendall(b"HANGS\n")


def main() -> None:
    control = socket.socket(socket.AF_UNIX)
    control.connect(sys.argv[1] if len(sys.argv) > 1 else os.environ["FAKE_DRIVER_CONTROL"])
    Program(control).run()


if __name__ == "__main__":
    main()
