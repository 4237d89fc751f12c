"""How VMs are listed and shown."""

import time

from oned.cli import sections
from oned.cli.output import facts, heading, say
from oned.cli.table import Column, Table, Wishes
from oned.cli.units import age, moment, size
from oned.client.documents import Document
from oned.client.states import history_action, vm_lcm_name, vm_state, vm_state_name, vm_word

_ON_A_HOST = ("3", "5", "8")
"""ACTIVE, SUSPENDED, POWEROFF."""


def _name(vm: Document) -> str:
    return ("*" if vm.int("RESCHED") else "") + vm.text("NAME")


def _record(vm: Document, element: str) -> str:
    record = vm.last("HISTORY_RECORDS/HISTORY")
    return record.text(element) if record else ""


def _host(vm: Document) -> str:
    return _record(vm, "HOSTNAME") if vm.text("STATE") in _ON_A_HOST else ""


def _memory(vm: Document) -> str:
    return str(vm.int("TEMPLATE/MEMORY") * 1024)


def _addresses(vm: Document) -> str:
    return ",".join(nic.text("IP") for nic in vm.all("TEMPLATE/NIC") if nic.text("IP"))


def _time(vm: Document) -> str:
    return age(vm.int("STIME"), vm.int("ETIME"))


def _used_memory(vm: Document) -> str:
    return vm.text("MONITORING/MEMORY") or "0"


def _prolog(record: Document) -> str:
    return age(record.int("PSTIME"), record.int("PETIME"))


VM_TABLE = Table(
    (
        Column("ID", 4, "id of the VM", lambda vm: vm.text("ID")),
        Column(
            "USER", 8, "name of the owner", lambda vm: vm.text("UNAME"), left=True, number=lambda vm: vm.text("UID")
        ),
        Column(
            "GROUP", 8, "name of the group", lambda vm: vm.text("GNAME"), left=True, number=lambda vm: vm.text("GID")
        ),
        Column(
            "NAME", 15, "name of the VM; a star in front when it is to be rescheduled", _name, left=True, expand=True
        ),
        Column("STAT", 4, "state in a word", vm_word),
        Column("STATE", 26, "state by its full name", vm_state, left=True),
        Column("CPU", 4, "CPUs asked for", lambda vm: f"{vm.float('TEMPLATE/CPU'):g}"),
        Column("MEM", 7, "memory asked for", _memory, kib=True),
        Column("UCPU", 4, "CPU used, percent", lambda vm: f"{vm.float('MONITORING/CPU'):g}"),
        Column("UMEM", 7, "memory used", _used_memory, kib=True),
        Column("HOST", 10, "host it is on", _host, left=True, expand=True),
        Column("CLUSTER", 7, "id of the cluster of its host", lambda vm: _record(vm, "CID")),
        Column("TIME", 10, "time since it was submitted, or that it took", _time),
        Column("IP", 15, "addresses of its network interfaces", _addresses, left=True, expand=True),
        Column(
            "DEPLOY", 12, "id that the hypervisor knows it by", lambda vm: vm.text("DEPLOY_ID"), left=True, expand=True
        ),
    ),
    default="ID,USER,GROUP,NAME,STAT,CPU,MEM,HOST,TIME",
)

HISTORY_TABLE = Table(
    (
        Column("SEQ", 4, "number of the record", lambda record: record.text("SEQ")),
        Column("HOST", 15, "name of the host", lambda record: record.text("HOSTNAME"), left=True, expand=True),
        Column("ACTION", 22, "what closed the record", history_action, left=True),
        Column("DS", 4, "id of the system datastore", lambda record: record.text("DS_ID")),
        Column("START", 15, "when it began", lambda record: moment(record.int("STIME"))),
        Column("TIME", 10, "how long it took", lambda record: age(record.int("STIME"), record.int("ETIME"))),
        Column("PROLOG", 10, "of that, moving files before the start", _prolog),
    ),
    default="SEQ,HOST,ACTION,DS,START,TIME,PROLOG",
)

_DISKS = Table(
    (
        Column("ID", 3, "id of the disk", lambda disk: disk.text("DISK_ID")),
        Column("TARGET", 6, "device in the guest", lambda disk: disk.text("TARGET"), left=True),
        Column("IMAGE", 30, "image or file", lambda disk: disk.text("IMAGE") or disk.text("SOURCE") or "-", left=True),
        Column("TYPE", 8, "type", lambda disk: disk.text("TYPE").lower(), left=True),
        Column("SIZE", 8, "size", lambda disk: str(disk.int("SIZE") * 1024) if disk.int("SIZE") else "", kib=True),
        Column("SAVE", 4, "kept after the end", lambda disk: disk.text("SAVE") or "NO"),
    ),
    default="ID,TARGET,IMAGE,TYPE,SIZE,SAVE",
)

_NICS = Table(
    (
        Column("ID", 3, "id of the interface", lambda nic: nic.text("NIC_ID")),
        Column("NETWORK", 20, "network", lambda nic: nic.text("NETWORK") or "-", left=True),
        Column("BRIDGE", 12, "bridge on the host", lambda nic: nic.text("BRIDGE"), left=True),
        Column("IP", 15, "address", lambda nic: nic.text("IP"), left=True),
        Column("MAC", 17, "hardware address", lambda nic: nic.text("MAC"), left=True),
    ),
    default="ID,NETWORK,BRIDGE,IP,MAC",
)

_SYSTEM_SNAPSHOTS = Table(
    (
        Column("AC", 2, "=> while it is worked on", lambda one: "=>" if one.text("ACTIVE") == "YES" else ""),
        Column("ID", 3, "number of the snapshot", lambda one: one.text("SNAPSHOT_ID")),
        Column("TIME", 15, "when it was made", lambda one: moment(one.int("TIME"))),
        Column("NAME", 40, "its name", lambda one: one.text("NAME"), left=True, expand=True),
        Column("HYPERVISOR_ID", 15, "what the hypervisor calls it", lambda one: one.text("HYPERVISOR_ID"), left=True),
    ),
    default="AC,ID,TIME,NAME,HYPERVISOR_ID",
)

_DISK_SNAPSHOTS = Table(
    (
        Column("AC", 2, "=> if the disk lies on it", lambda one: "=>" if one.text("ACTIVE") == "YES" else ""),
        Column("ID", 3, "number of the snapshot", lambda one: one.text("ID")),
        Column("DISK", 4, "number of its disk", lambda one: one.text("DISK_ID")),
        Column("PARENT", 6, "the snapshot that it was made after", lambda one: one.text("PARENT")),
        Column("DATE", 15, "when it was made", lambda one: moment(one.int("DATE"))),
        Column("SIZE", 8, "what it may take", lambda one: str(one.int("SIZE") * 1024), kib=True),
        Column("NAME", 40, "its name", lambda one: one.text("NAME"), left=True, expand=True),
    ),
    default="AC,ID,DISK,PARENT,DATE,SIZE,NAME",
)

_FILTERS = Table(
    (
        Column("FILTER", 30, "what was asked of a host", lambda row: row.text("NAME"), left=True, expand=True),
        Column("REMOVED", 7, "hosts that it removed", lambda row: row.text("REMOVED")),
        Column("DETAIL", 40, "why", lambda row: row.text("DETAIL"), left=True, expand=True),
    ),
    default="FILTER,REMOVED,DETAIL",
)


def show_vm(vm: Document) -> None:
    """Write the VM in sections."""
    facts(f"VIRTUAL MACHINE {vm.text('ID')} INFORMATION", _information(vm))
    facts("VIRTUAL MACHINE MONITORING", _monitoring(vm))
    sections.permissions(vm)
    section("VM DISKS", vm.all("TEMPLATE/DISK"), _DISKS)
    section("VM NICS", vm.all("TEMPLATE/NIC"), _NICS)
    section("SNAPSHOTS", vm.all("TEMPLATE/SNAPSHOT"), _SYSTEM_SNAPSHOTS)
    section("VM DISKS SNAPSHOTS", _disk_snapshots(vm), _DISK_SNAPSHOTS)
    section("VIRTUAL MACHINE HISTORY", vm.all("HISTORY_RECORDS/HISTORY"), HISTORY_TABLE)
    sections.template("USER TEMPLATE", vm.first("USER_TEMPLATE"))
    sections.template("VIRTUAL MACHINE TEMPLATE", vm.first("TEMPLATE"))


def _disk_snapshots(vm: Document) -> list[Document]:
    """The snapshots of all disks, each with the number of its disk."""
    rows = []
    for tree in vm.all("SNAPSHOTS"):
        for one in tree.all("SNAPSHOT"):
            row = Document(one.name)
            row.children = [*one.children, Document("DISK_ID", tree.text("DISK_ID"))]
            rows.append(row)
    return rows


def _information(vm: Document) -> list[tuple[str, str]]:
    rows = [
        ("ID", vm.text("ID")),
        ("NAME", vm.text("NAME")),
        ("USER", vm.text("UNAME")),
        ("GROUP", vm.text("GNAME")),
        ("STATE", vm_state_name(vm)),
        ("LCM_STATE", vm_lcm_name(vm)),
        ("LOCK", sections.lock(vm)),
        ("RESCHED", "Yes" if vm.int("RESCHED") else "No"),
    ]
    if _record(vm, "HOSTNAME"):
        rows += [("HOST", _record(vm, "HOSTNAME")), ("CLUSTER ID", _record(vm, "CID"))]
    return [
        *rows,
        ("START TIME", moment(vm.int("STIME"))),
        ("END TIME", moment(vm.int("ETIME"))),
        ("DEPLOY ID", vm.text("DEPLOY_ID") or "-"),
    ]


def _monitoring(vm: Document) -> list[tuple[str, str]]:
    values = vm.first("MONITORING")
    if values is None or not values.children:
        return []
    return [
        ("CPU", f"{values.float('CPU'):g}"),
        ("MEMORY", size(values.float("MEMORY"))),
        ("NETTX", size(values.float("NETTX") / 1024)),
        ("NETRX", size(values.float("NETRX") / 1024)),
    ]


def section(title: str, rows: list[Document], table: Table) -> None:
    """Write a table under a heading, nothing when it has no rows."""
    if rows:
        heading(title)
        table.show(rows, Wishes())
        say()


def show_explanation(document: Document) -> None:
    """Write why a VM is where it is: the summary, what each filter removed, and the reasons with their times."""
    say(f"VM {document.text('VM_ID')} is {document.text('STATE')}: {document.text('SUMMARY')}")
    filters, reasons = document.all("FILTER"), document.all("REASON")
    if filters:
        say()
        _FILTERS.show(filters, Wishes())
    if reasons:
        say()
    for reason in reasons:
        stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(reason.int("TIME")))
        say(f"{stamp}  {reason.text('WHO')}: {reason.text('TEXT')}")
