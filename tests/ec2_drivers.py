"""The drivers of EC2 as programs over real pipes, in front of the stub."""

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self
from xml.sax.saxutils import escape

from oned.drivers.lib.testing import DriverProcess, program
from tests.ec2_stub import Ec2Stub

FAST = "EC2_PAUSE=0.01\nEC2_LOOK=0.01\n"
CAPACITY = 'EC2_CAPACITY="m5.large=4 m5.xlarge=1"\nEC2_PRICES="m5.large=0.096 m5.xlarge=0.192"\n'


class Ec2Driver:
    """One of the two, with an installation of its own; `aws` is where it asks."""

    def __init__(self, root: Path, aws: Ec2Stub, module: str) -> None:
        self.etc, self.aws = root / "etc", aws
        self.set("", FAST + CAPACITY)
        environment = {**aws.environment(), "ONE_LOCATION": str(root), "HOME": str(root), "ONE_MAD_DEBUG": "1"}
        environment |= {"CONTEXT_SAFE_DIRS": str(root / "safe"), "AWS_CONFIG_FILE": str(root / "aws/config")}
        environment |= {"AWS_SHARED_CREDENTIALS_FILE": str(root / "aws/credentials")}
        self.process = DriverProcess(program(module), environment)
        assert "INIT SUCCESS" in str(self.process.handshake())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_reason: object) -> None:
        self.process.__exit__(None, None, None)

    def set(self, host: str, lines: str) -> None:
        """Write the settings of a host, or those of all."""
        place = self.etc / "ec2" / (f"hosts/{host}" if host else "ec2rc")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(lines)

    def ask(self, verb: str, vm: int, template: str = "", **arguments: str) -> str:
        """The answer's text: what follows SUCCESS, or the whole answer if it is none."""
        answer = str(self.process.ask(request(verb, vm, template, **arguments)))
        done = f"{verb} SUCCESS {vm} "
        return answer.removeprefix(done) if answer.startswith(done) else answer

    def monitor(self, host: str) -> str:
        """What the information driver tells of a host, or the whole answer if it failed."""
        answer = str(self.process.ask(f"MONITOR 1 {host} /ds 0"))
        done = "MONITOR SUCCESS 1 "
        return base64.b64decode(answer.removeprefix(done)).decode() if answer.startswith(done) else answer


def request(verb: str, vm: int, template: str = "", host: str = "ec2", deploy_id: str = "", **more: str) -> str:
    """A line of the dialect xml. `template` is what stands in the VM's USER_TEMPLATE, `context` its CONTEXT."""
    stime = more.get("stime", str(1_700_000_000 + vm))
    document = (
        f"<VM><ID>{vm}</ID><UID>2</UID><NAME>node {vm}</NAME><UNAME>ada</UNAME><STIME>{stime}</STIME>"
        f"<TEMPLATE><CPU>1</CPU>{more.get('context', '')}</TEMPLATE><USER_TEMPLATE>{template}</USER_TEMPLATE>"
        f"<HISTORY_RECORDS><HISTORY><RSTIME>{more.get('rstime', '1')}</RSTIME></HISTORY></HISTORY_RECORDS></VM>"
    )
    text = (
        f"<VMM_DRIVER_ACTION_DATA><HOST>{host}</HOST><DEPLOY_ID>{deploy_id}</DEPLOY_ID>{document}"
        "</VMM_DRIVER_ACTION_DATA>"
    )
    return f"{verb} {vm} {base64.b64encode(text.encode()).decode()}"


def section(values: Mapping[str, str] | None = None, name: str = "EC2", **more: Any) -> str:
    """The XML of a section."""
    inner = "".join(f"<{key}>{escape(value)}</{key}>" for key, value in {**(values or {}), **more}.items())
    return f"<{name}>{inner}</{name}>"
