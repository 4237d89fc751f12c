"""Live moves of VMs of type lvm: their volumes on the other host, before the move, after it, and after it has failed.

Each host has its own group: PREMIGRATE makes empty volumes there, which the hypervisor fills while its guest writes to
them. SHARED_VG=YES, in etc/tm_lvm/tm_lvmrc: the group is one of all hosts (a SAN); its volumes are activated where the
VM goes to and deactivated where it came from, and nothing is copied.
"""

from collections.abc import Callable, Sequence

from oned.drivers.lib import copying
from oned.drivers.lib.places import Place
from oned.drivers.lib.script import Line
from oned.drivers.lib.task import ActionFailed, Task
from oned.drivers.tm import tm_ssh
from oned.drivers.tm.tm_lvm import LINK, Volume, is_one_group, settings, volume_of, volumes_in


def premigrate(line: Line, vm: int, task: Task) -> None:
    """The destination has the VM's directory, and its volumes by the same names."""
    source, target = tm_ssh.ends(line, vm)
    volumes = volumes_in(source, task)
    for volume in volumes:
        _bring(volume, target, task)
    links = {volume.at.path.name for volume in volumes}
    for name in source.demand(["ls", "-A", "--", str(source.path)], task).splitlines():
        if name not in links:
            copying.copy(source.below(name), target.below(name), settings, task)


def _bring(volume: Volume, target: Place, task: Task) -> None:
    new, size = volume_of(target.below(volume.at.path.name)), volume.size(task)
    if is_one_group(target.host):
        new.activate(task)
        new.at.sh(LINK, task, new.device, new.at.path)
        return
    if size is None:
        raise ActionFailed(f"there is no {volume.there}")
    there = new.size(task)
    if there is not None and there < size:
        new.remove(task)  # of an attempt when the disk was smaller
    new.make(size, task, lambda part: None)


def postmigrate(line: Line, vm: int, task: Task) -> None:
    """The source has nothing of the VM any more."""
    _leave(tm_ssh.ends(line, vm)[0], task)


def failmigrate(line: Line, vm: int, task: Task) -> None:
    """The destination has nothing of the VM."""
    _leave(tm_ssh.ends(line, vm)[1], task)


def _leave(directory: Place, task: Task) -> None:
    """Let a host have none of the volumes in use, and remove its directory of the VM; what is shared stays."""
    volumes: Sequence[Volume] = volumes_in(directory, task)
    for volume in volumes:
        volume.deactivate(task) if is_one_group(directory.host) else volume.remove(task)
    directory.remove(task)


COMMANDS: dict[str, Callable[[Line, int, Task], None]] = {
    "PREMIGRATE": premigrate,
    "POSTMIGRATE": postmigrate,
    "FAILMIGRATE": failmigrate,
}
