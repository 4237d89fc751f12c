"""A daemon that images leave."""

import base64
import http.client
import io
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from unittest.mock import patch

from oned.cli import oneimage
from oned.client.documents import parse
from oned.client.states import image_state
from tests.daemon.conftest import QUIET
from tests.daemon.process import ADMIN, Daemon, until

CONF = f"""{QUIET}
TM_MAD = [ NAME = "shared", EXECUTABLE = "one_tm", ARGUMENTS = "shared", PROTOCOL = "datastore" ]
DATASTORE_MAD = [ NAME = "fs", EXECUTABLE = "one_datastore_fs" ]
"""


class Site(Daemon):
    """A daemon with the datastore driver for directories."""

    def image(self, name: str, data: bytes | None = None, template: str = "") -> int:
        """The id of an image of these bytes or of this template, once it is READY; else of the file NAME.img."""
        path = self.root / f"{name}.img"
        if data is not None:
            path.write_bytes(data)
        made = self.admin.number("one.image.allocate", f'NAME = "{name}"\n{template or f"PATH = {path}"}', 1)
        until(lambda: image_state(parse(self.admin.text("one.image.info", made))) == "READY", f"image {name}")
        return made

    def start_command(self, *words: str, **more: str) -> subprocess.Popen[str]:
        """oneimage at work in a process of its own."""
        argv = [sys.executable, "-c", "from oned.cli.oneimage import main; raise SystemExit(main())", *words]
        return subprocess.Popen([*argv, "--endpoint", self.endpoint], env={**self.environment, **more},
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)  # fmt: skip

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """The same, done in this process."""
        out, errors = io.StringIO(), io.StringIO()
        with patch.dict(os.environ, self.environment), redirect_stdout(out), redirect_stderr(errors):
            code = oneimage.main([*words, "--endpoint", self.endpoint])
        return subprocess.CompletedProcess(words, code, out.getvalue(), errors.getvalue())

    def images_by_name(self) -> dict[str, int]:
        found = parse(self.admin.text("one.imagepool.info", -2, -1, -1)).all("IMAGE")
        return {one.text("NAME"): one.int("ID") for one in found}

    def file(self, image: int) -> Path:
        return Path(parse(self.admin.text("one.image.info", image)).text("SOURCE"))

    @staticmethod
    def who(session: str) -> dict[str, str]:
        return {"Authorization": f"Basic {base64.b64encode(session.encode()).decode()}"}

    def page(self, word: object, verb: str = "GET", session: str = ADMIN, **headers: str) -> tuple[int, bytes]:
        """Status and body of a request below /images/."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        who = self.who(session) if session else {}
        connection.request(
            verb, f"/images/{word}", None, {**who, **{k.replace("_", "-"): v for k, v in headers.items()}}
        )
        answer = connection.getresponse()
        found = answer.status, answer.read()
        connection.close()
        return found
