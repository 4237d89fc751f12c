"""one.host.* and one.hostpool.*: physical machines."""

from oned.api.call import Call, Pieces
from oned.api.listing import whole
from oned.api.owned import rename_to
from oned.api.registry import ADMIN, USE, alias, method
from oned.api.samples import samples
from oned.errors import ActionError, InternalError
from oned.host.host import Host
from oned.host.states import STATUS, HostState
from oned.ids import Kind
from oned.names import check_name
from oned.store import tables

ENABLED, DISABLED = 0, 1


@method(
    "one.host.allocate",
    forms=(
        "name im_mad vm_mad cluster",
        "name im_mad vm_mad tm_mad",
        "name im_mad vm_mad vn_mad cluster",
        "name im_mad vm_mad vn_mad tm_mad",
        "name im_mad vm_mad tm_mad managed",
    ),
)
def allocate(
    call: Call, name: str, im_mad: str, vm_mad: str, vn_mad: str = "dummy", tm_mad: str = "",
    cluster: int = -1, managed: bool = True,
) -> Host:  # fmt: skip
    """Register a host; it is monitored at once.

    im_mad, vm_mad  names of drivers in oned.conf; names that are not there are taken, and the host goes to ERROR
    vn_mad, tm_mad  network and transfer driver of releases up to 4.14
    cluster         its cluster, which needs ADMIN on it; -1 is the default one
    managed         1.0, accepted
    Errors: AUTHORIZATION, NO_EXISTS (cluster), INTERNAL (name taken or bad, empty driver).
    Since: 1.0; the forms by release are 1.4 (tm_mad), 3.2 (vn_mad, tm_mad), 3.4 (vn_mad, cluster), 5.0 (cluster).
    """
    home = call.demand_create(Kind.HOST, cluster)
    for word, value in (("IM_MAD", im_mad), ("VM_MAD", vm_mad)):
        if not value.strip():
            raise InternalError(detail=f"{word}_NAME cannot be empty. Give a driver's name of oned.conf")
    name = check_name(name)
    call.pools.hosts.claim(name)
    host = Host(call.pools.hosts.next_id(call.unit), name, im_mad.strip(), vm_mad.strip())
    host.vn_mad, host.tm_mad, host.cluster = vn_mad, tm_mad, home.id
    call.pools.hosts.add(call.unit, host)
    call.pools.members_changed()
    call.created(host, host.state.name)
    call.unit.after(lambda: call.services.monitor.ask_host(host))
    return host


@method("one.host.info", reads=True, host=USE)
def info(call: Call, host: Host, decrypt: bool = False) -> Pieces:
    """The document of a host. decrypt is accepted. Errors: NO_EXISTS, AUTHORIZATION. Since: 1.4; decrypt 5.12."""
    return Pieces([host.body(call.pools.view)])


@method("one.host.delete", host=ADMIN)
def delete(call: Call, host: Host) -> int:
    """Remove a host that no VM is on. Errors: NO_EXISTS, AUTHORIZATION, ACTION (VMs on it). Since: 1.0."""
    if host.vms:
        detail = "Cannot delete host. Can not remove a host with running VMs"
        raise ActionError(detail=f"{detail}. Move or terminate its {len(host.vms)}: onehost flush {host.id}")
    call.pools.hosts.drop(call.unit, host)
    call.pools.members_changed()
    return host.id


@method("one.host.enable", host=ADMIN)
def enable(call: Call, host: Host, enabled: bool) -> Host:
    """Enable or disable a host. Errors: NO_EXISTS, AUTHORIZATION. Since: 1.0 to 4.14; later one.host.status."""
    return status(call, host, ENABLED if enabled else DISABLED)


@method("one.host.status", host=ADMIN)
def status(call: Call, host: Host, status: int) -> Host:
    """Enable a host (0), disable it (1: it takes no new VMs) or switch it off (2: it is not monitored either).

    Errors: NO_EXISTS, AUTHORIZATION, INTERNAL (another number).
    Since: 5.0.
    """
    if status not in STATUS:
        raise InternalError(detail="Wrong status code. It is 0 (enabled), 1 (disabled) or 2 (offline)")
    before = host.state
    host.move_to(STATUS[status])
    call.unit.touch(host)
    call.changed(host, before.name, host.state.name)
    if host.state is not HostState.OFFLINE:
        call.unit.after(lambda: call.services.monitor.ask_host(host))
    return host


@method("one.host.update", host=ADMIN)
def update(call: Call, host: Host, template: str, append: int = 0) -> Host:
    """Change the attributes of a host: append 0 replaces them, 1 merges. Monitored values stay.

    Errors: NO_EXISTS, AUTHORIZATION, ACTION (the template), XML_RPC_API (append).
    Since: 3.0; append 4.2.
    """
    host.template = call.updated(host.template, template, append)
    call.unit.touch(host)
    return host


@method("one.host.rename", host=ADMIN)
def rename(call: Call, host: Host, name: str) -> Host:
    """Give a host another name; drivers reach it by that. Errors: NO_EXISTS, AUTHORIZATION, ACTION. Since: 4.4."""
    if host.vms:
        raise ActionError(detail="A host with VMs cannot be renamed: their drivers know it by its name. Flush it first")
    rename_to(call, host, name)
    return host


@method("one.host.monitoring", reads=True, host=USE)
async def monitoring(call: Call, host: Host) -> Pieces:
    """The stored samples of a host: MONITORING_DATA. Errors: NO_EXISTS, AUTHORIZATION. Since: 3.6."""
    return await samples(call, tables.host_monitoring, {host.id})


@method("one.hostpool.info", reads=True)
async def pool_info(call: Call) -> Pieces:
    """All hosts that the caller may use. Since: 1.4."""
    return await whole(call, call.pools.hosts)


@method("one.hostpool.monitoring", reads=True)
async def pool_monitoring(call: Call, seconds: int = -1) -> Pieces:
    """The stored samples of all hosts, oldest first per host: MONITORING_DATA.

    seconds  -1 all that are kept, 0 the last one of each, else those not older than that
    Since: 3.6; seconds 6.0.
    """
    wanted = {host.id for host in call.pools.hosts if call.may(USE, host)}
    return await samples(call, tables.host_monitoring, wanted, seconds)


for old, new in (
    ("one.hostallocate", "one.host.allocate"),
    ("one.hostinfo", "one.host.info"),
    ("one.hostdelete", "one.host.delete"),
    ("one.hostenable", "one.host.enable"),
):
    alias(old, new)
