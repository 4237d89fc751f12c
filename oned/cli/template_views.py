"""How VM templates are listed and shown."""

from oned.cli import sections
from oned.cli.output import facts
from oned.cli.table import Column, Table
from oned.cli.units import moment
from oned.client.documents import Document

TEMPLATE_TABLE = Table(
    (
        Column("ID", 4, "id of the template", lambda item: item.text("ID")),
        Column(
            "USER", 15, "name of the owner", lambda item: item.text("UNAME"), left=True,
            number=lambda item: item.text("UID"),
        ),
        Column(
            "GROUP", 15, "name of the group", lambda item: item.text("GNAME"), left=True,
            number=lambda item: item.text("GID"),
        ),
        Column("NAME", 27, "name of the template", lambda item: item.text("NAME"), left=True, expand=True),
        Column("CPU", 4, "CPUs of a VM", lambda item: item.text("TEMPLATE/CPU")),
        Column("MEM", 7, "memory of a VM", lambda item: str(item.int("TEMPLATE/MEMORY") * 1024), kib=True),
        Column("REGTIME", 15, "when it was registered", lambda item: moment(item.int("REGTIME"))),
    ),
    default="ID,USER,GROUP,NAME,REGTIME",
)  # fmt: skip


def show_template(item: Document) -> None:
    """Write the template in sections."""
    number = item.text("ID")
    facts(
        f"TEMPLATE {number} INFORMATION",
        [
            ("ID", number),
            ("NAME", item.text("NAME")),
            ("USER", item.text("UNAME")),
            ("GROUP", item.text("GNAME")),
            ("LOCK", sections.lock(item)),
            ("REGISTER TIME", moment(item.int("REGTIME"))),
        ],
    )
    sections.permissions(item)
    sections.template("TEMPLATE CONTENTS", item.first("TEMPLATE"))


def show_vm(vm: Document) -> None:
    """Write the VM that would be made: its name, whether it would be held, and what it would be made of."""
    held = "HOLD" if vm.text("STATE") == "2" else "PENDING"
    facts("THE VM", [("NAME", vm.text("NAME")), ("USER", vm.text("UNAME")), ("STATE", held)])
    sections.template("USER TEMPLATE", vm.first("USER_TEMPLATE"))
    sections.template("VIRTUAL MACHINE TEMPLATE", vm.first("TEMPLATE"))
