"""How hosts are listed and shown."""

from oned.cli import sections
from oned.cli.names import VMS
from oned.cli.output import facts
from oned.cli.table import Column, Table
from oned.cli.units import moment, share, size
from oned.cli.vm_views import VM_TABLE, section
from oned.client.client import Client
from oned.client.documents import Document
from oned.client.states import host_state, host_word


def _number(host: Document, *paths: str) -> float:
    """The first of these elements that is there."""
    return next((host.float(path) for path in paths if host.first(path) is not None), 0.0)


def _total_cpu(host: Document) -> float:
    return _number(host, "HOST_SHARE/TOTAL_CPU", "HOST_SHARE/MAX_CPU")


def _total_memory(host: Document) -> float:
    return _number(host, "HOST_SHARE/TOTAL_MEM", "HOST_SHARE/MAX_MEM")


def _used_cpu(host: Document) -> float:
    return _number(host, "MONITORING/CAPACITY/USED_CPU", "HOST_SHARE/USED_CPU")


def _used_memory(host: Document) -> float:
    return _number(host, "MONITORING/CAPACITY/USED_MEMORY", "HOST_SHARE/USED_MEM")


def _allocated_cpu(host: Document) -> str:
    return share(host.float("HOST_SHARE/CPU_USAGE"), host.float("HOST_SHARE/MAX_CPU"))


def _allocated_memory(host: Document) -> str:
    return share(host.float("HOST_SHARE/MEM_USAGE"), host.float("HOST_SHARE/MAX_MEM"), memory=True)


def _real_cpu(host: Document) -> str:
    return share(_used_cpu(host), _total_cpu(host))


def _real_memory(host: Document) -> str:
    return share(_used_memory(host), _total_memory(host), memory=True)


def _unallocated_cpu(host: Document) -> str:
    return f"{host.float('HOST_SHARE/MAX_CPU') - host.float('HOST_SHARE/CPU_USAGE'):.0f}"


def _unallocated_memory(host: Document) -> str:
    return str(host.int("HOST_SHARE/MAX_MEM") - host.int("HOST_SHARE/MEM_USAGE"))


HOST_TABLE = Table(
    (
        Column("ID", 4, "id of the host", lambda host: host.text("ID")),
        Column("NAME", 15, "name of the host", lambda host: host.text("NAME"), left=True, expand=True),
        Column("CLUSTER", 10, "its cluster", lambda host: host.text("CLUSTER") or "-", left=True),
        Column("TVM", 3, "VMs that have room on it", lambda host: host.text("HOST_SHARE/RUNNING_VMS")),
        Column("RVM", 3, "the same under its classic name", lambda host: host.text("HOST_SHARE/RUNNING_VMS")),
        Column("ZVM", 3, "VMs on it that nobody knows", lambda host: host.text("TEMPLATE/TOTAL_ZOMBIES") or "0"),
        Column("TCPU", 4, "CPU in all, 100 for each core", lambda host: f"{_total_cpu(host):.0f}"),
        Column("FCPU", 4, "CPU not in use", lambda host: f"{_total_cpu(host) - _used_cpu(host):.0f}"),
        Column("ACPU", 4, "CPU not given to VMs", _unallocated_cpu),
        Column("TMEM", 7, "memory in all", lambda host: str(_total_memory(host)), kib=True),
        Column("FMEM", 7, "memory not in use", lambda host: str(_total_memory(host) - _used_memory(host)), kib=True),
        Column("AMEM", 7, "memory not given to VMs", _unallocated_memory, kib=True),
        Column("REAL_CPU", 18, "CPU in use, of all", _real_cpu),
        Column("REAL_MEM", 18, "memory in use, of all", _real_memory),
        Column("ALLOCATED_CPU", 18, "CPU given to VMs, of all", _allocated_cpu),
        Column("ALLOCATED_MEM", 18, "memory given to VMs, of all", _allocated_memory),
        Column("STAT", 4, "state in a word", host_word, left=True),
        Column("STATE", 20, "state by its full name", host_state, left=True),
    ),
    default="ID,NAME,CLUSTER,TVM,ALLOCATED_CPU,ALLOCATED_MEM,STAT",
)


def show_host(one: Client, host: Document) -> None:
    """Write the host in sections, and the VMs on it."""
    facts(f"HOST {host.text('ID')} INFORMATION", _information(host))
    facts("HOST SHARES", _shares(host))
    sections.template("MONITORING INFORMATION", host.first("TEMPLATE"))
    vms = {item.content for item in host.all("VMS/ID")}
    on_it = [vm for vm in VMS.objects(one) if vm.text("ID") in vms] if vms else []
    section("VIRTUAL MACHINES", on_it, VM_TABLE)


def _information(host: Document) -> list[tuple[str, str]]:
    return [
        ("ID", host.text("ID")),
        ("NAME", host.text("NAME")),
        ("CLUSTER", host.text("CLUSTER") or "-"),
        ("STATE", host_state(host)),
        ("IM_MAD", host.text("IM_MAD")),
        ("VM_MAD", host.text("VM_MAD")),
        ("LAST MONITORING TIME", moment(int(_number(host, "MONITORING/TIMESTAMP", "LAST_MON_TIME")))),
    ]


def _shares(host: Document) -> list[tuple[str, str]]:
    total_cpu, total_memory = _total_cpu(host), _total_memory(host)
    return [
        ("RUNNING VMS", host.text("HOST_SHARE/RUNNING_VMS")),
        ("TOTAL MEM", size(total_memory)),
        ("USED MEM (REAL)", size(_used_memory(host))),
        ("USED MEM (ALLOCATED)", size(host.float("HOST_SHARE/MEM_USAGE"))),
        ("MAX MEM", size(host.float("HOST_SHARE/MAX_MEM"))),
        ("TOTAL CPU", f"{total_cpu:.0f}"),
        ("USED CPU (REAL)", f"{_used_cpu(host):.0f}"),
        ("USED CPU (ALLOCATED)", f"{host.float('HOST_SHARE/CPU_USAGE'):.0f}"),
        ("MAX CPU", f"{host.float('HOST_SHARE/MAX_CPU'):.0f}"),
    ]
