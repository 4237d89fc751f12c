"""A daemon that images leave."""

import base64
import http.client
import subprocess
import sys
from pathlib import Path

from oned.client.documents import parse
from tests.daemon.conftest import QUIET
from tests.daemon.process import ADMIN, Daemon

CONF = f"""{QUIET}
TM_MAD = [ NAME = "shared", EXECUTABLE = "one_tm", ARGUMENTS = "shared", PROTOCOL = "datastore" ]
DATASTORE_MAD = [ NAME = "fs", EXECUTABLE = "one_datastore_fs" ]
"""


class Site(Daemon):
    """A daemon with the datastore driver for directories."""

    def image(self, name: str, data: bytes | None = None, *words: str) -> int:
        """The id of an image of these bytes, or of these options of oneimage create."""
        path = self.root / f"{name}.img"
        if data is not None:
            path.write_bytes(data)
        made = self.run("create", "--name", name, *(words or ("--path", str(path))), "--wait")
        assert made.returncode == 0, made.stderr
        return int(made.stdout.split()[-1])

    def start_command(self, *words: str, **more: str) -> subprocess.Popen[str]:
        argv = [sys.executable, "-c", "from oned.cli.oneimage import main; raise SystemExit(main())", *words]
        return subprocess.Popen([*argv, "--endpoint", self.endpoint], env={**self.environment, **more},
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)  # fmt: skip

    def run(self, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
        command = self.start_command(*words, **more)
        out, errors = command.communicate(timeout=100)
        return subprocess.CompletedProcess(words, command.returncode, out, errors)

    def images_by_name(self) -> dict[str, int]:
        found = parse(self.admin.text("one.imagepool.info", -2, -1, -1)).all("IMAGE")
        return {one.text("NAME"): one.int("ID") for one in found}

    def file(self, image: int) -> Path:
        return Path(parse(self.admin.text("one.image.info", image)).text("SOURCE"))

    def page(self, word: object, verb: str = "GET", session: str = ADMIN, **headers: str) -> tuple[int, bytes]:
        """Status and body of a request below /images/."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        who = {"Authorization": f"Basic {base64.b64encode(session.encode()).decode()}"} if session else {}
        connection.request(
            verb, f"/images/{word}", None, {**who, **{k.replace("_", "-"): v for k, v in headers.items()}}
        )
        answer = connection.getresponse()
        found = answer.status, answer.read()
        connection.close()
        return found
