"""The deployment file of a request: the front-end's, which is the newest, or the host's where that alone is known."""

from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from oned.drivers.lib.reach.host import Host
from oned.drivers.lib.request import VMRequest
from oned.drivers.lib.settings import Settings
from oned.drivers.lib.task import ActionFailed, Task
from oned.drivers.lib.uri import files_at


def local_text(request: VMRequest) -> bytes | None:
    """What the front-end's file has; None if there is none."""
    local = Path(request.local_file)
    return local.read_bytes() if request.local_file and local.is_file() else None


def text_of(request: VMRequest, host: Host, task: Task) -> bytes:
    """What the deployment file has. Errors: ActionFailed, if neither the front-end nor the host has one; Cancelled."""
    text = local_text(request)
    if text is not None:
        return text
    if not request.remote_file:
        raise ActionFailed(f"there is no deployment file {request.local_file}")
    return host.read(request.remote_file, task)


def described(request: VMRequest, settings: Settings, task: Task) -> Element:
    """The domain as the deployment file has it. Errors: as text_of, and ActionFailed for what is no XML."""
    try:
        return ElementTree.fromstring(text_of(request, files_at(request.host, settings), task))
    except ElementTree.ParseError as error:
        raise ActionFailed(f"the deployment file of VM {request.vm} is not well-formed XML: {error}") from None
