"""How images are listed and shown."""

from oned.cli import sections
from oned.cli.output import facts
from oned.cli.table import Column, Table
from oned.cli.units import moment, size
from oned.client.documents import Document
from oned.client.states import image_state, image_type, image_type_word, image_word

KIB_PER_MIB = 1024
DISK_TYPES = {0: "FILE", 1: "CD_ROM", 2: "BLOCK", 3: "RBD", 5: "GLUSTER", 7: "SHEEPDOG", 9: "ISCSI"}

IMAGE_TABLE = Table(
    (
        Column("ID", 4, "id of the image", lambda image: image.text("ID")),
        Column("USER", 10, "owner", lambda image: image.text("UNAME"), left=True,
               number=lambda image: image.text("UID")),
        Column("GROUP", 10, "group", lambda image: image.text("GNAME"), left=True,
               number=lambda image: image.text("GID")),
        Column("NAME", 15, "name of the image", lambda image: image.text("NAME"), left=True, expand=True),
        Column("DATASTORE", 10, "its datastore", lambda image: image.text("DATASTORE"), left=True,
               number=lambda image: image.text("DATASTORE_ID")),
        Column("SIZE", 7, "size that a guest sees", lambda image: str(image.int("SIZE") * KIB_PER_MIB), kib=True),
        Column("TYPE", 4, "OS, CD, DB; files KL, RD, CX", image_type_word, left=True),
        Column("REGTIME", 15, "when it was registered", lambda image: moment(image.int("REGTIME"))),
        Column("PERSISTENT", 3, "whether its one VM changes it", lambda image: _yes(image, "PERSISTENT")),
        Column("PER", 3, "the same", lambda image: _yes(image, "PERSISTENT")),
        Column("STAT", 4, "state in a word", image_word, left=True),
        Column("STATE", 16, "state by its name", image_state, left=True),
        Column("RVMS", 4, "VMs that use it", lambda image: image.text("RUNNING_VMS")),
    ),
    default="ID,USER,GROUP,NAME,DATASTORE,SIZE,TYPE,PER,STAT,RVMS",
)  # fmt: skip


def _yes(image: Document, name: str) -> str:
    return "Yes" if image.int(name) else "No"


def show_image(image: Document) -> None:
    """Write the image in sections."""
    facts(f"IMAGE {image.text('ID')} INFORMATION", _information(image))
    sections.permissions(image)
    sections.template("IMAGE TEMPLATE", image.first("TEMPLATE"))
    vms = ", ".join(item.content for item in image.all("VMS/ID"))
    facts("VIRTUAL MACHINES", [("IDS", vms)] if vms else [])


def _information(image: Document) -> list[tuple[str, str]]:
    rows = [
        ("ID", image.text("ID")),
        ("NAME", image.text("NAME")),
        ("USER", image.text("UNAME")),
        ("GROUP", image.text("GNAME")),
        ("LOCK", sections.lock(image)),
        ("DATASTORE", image.text("DATASTORE")),
        ("TYPE", image_type(image)),
        ("DISK TYPE", DISK_TYPES.get(image.int("DISK_TYPE"), image.text("DISK_TYPE"))),
        ("REGISTER TIME", moment(image.int("REGTIME"))),
        ("PERSISTENT", _yes(image, "PERSISTENT")),
        ("SOURCE", image.text("SOURCE") or "-"),
        ("PATH", image.text("PATH") or "-"),
        ("FORMAT", image.text("FORMAT") or "-"),
        ("SIZE", size(image.float("SIZE") * KIB_PER_MIB)),
        ("STATE", image_state(image)),
        ("RUNNING_VMS", image.text("RUNNING_VMS")),
    ]
    return [*rows, ("CLONING OF", image.text("CLONING_ID"))] if image.int("CLONING_ID", -1) >= 0 else rows
