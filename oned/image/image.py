"""The image and its document (OpenNebula 6.10). Which VMs use it and which clones are made of it is derived."""

from oned import clock
from oned.document.element import Element, ids, plain, wrap
from oned.document.object import Owned, lock_element, owner_elements
from oned.document.permissions import Permissions
from oned.ids import Kind
from oned.image.states import DISKS, DiskType, ImageState, ImageType
from oned.template.render import xml as template_xml
from oned.template.template import Template

NO_SNAPSHOTS = (
    "<ALLOW_ORPHANS>NO</ALLOW_ORPHANS><CURRENT_BASE>-1</CURRENT_BASE><NEXT_SNAPSHOT>0</NEXT_SNAPSHOT>"
)  # fmt: skip
*_WHO, _PERMISSIONS = owner_elements()

ELEMENTS = (
    *_WHO,
    lock_element(),
    _PERMISSIONS,
    plain("TYPE", "type", "0 OS, 1 CDROM, 2 DATABLOCK, 3 KERNEL, 4 RAMDISK, 5 CONTEXT"),
    plain("DISK_TYPE", "disk_type", "0 file, 1 CD-ROM, 2 block device"),
    Element("PUBLIC", "whether others may use it, as 2.x and 3.0 had it", classic=True,
            value=lambda image, _: image.is_public),
    plain("PERSISTENT", "persistent", "1 if a VM changes the image itself"),
    plain("REGTIME", "regtime", "when it was registered"),
    plain("SOURCE", "source", "where it is in its datastore"),
    plain("PATH", "path", "what it was copied from"),
    Element("FSTYPE", "format or file system, as 3.2 to 5.12 had it", classic=True,
            value=lambda image, _: image.fs or image.format),
    plain("FORMAT", "format", "raw or qcow2, as its first bytes say"),
    plain("FS", "fs", "file system of an image that was made empty"),
    plain("SIZE", "size", "size that a guest sees, MiB"),
    Element("STATE", "1 ready, 2 used, 3 disabled, 4 locked, 5 error, 6 being cloned, 7 being deleted, "
            "8 used by its one VM, 9 and 10 the two while locked", value=lambda image, _: int(image.state)),
    plain("PREV_STATE", "previous", "state before the last change, apart from use"),
    Element("RUNNING_VMS", "how many VMs use it", value=lambda image, _: len(image.vms)),
    Element("CLONING_OPS", "how many clones are being made of it", value=lambda image, _: len(image.clones)),
    plain("CLONING_ID", "cloning", "the image that it is being copied from, -1 if none"),
    Element("TARGET_SNAPSHOT", "always -1", value=lambda *_: -1),
    plain("DATASTORE_ID", "datastore", "its datastore"),
    Element("DATASTORE", "its datastore's name", value=lambda image, view: view.datastore_name(image.datastore)),
    Element("VMS", "the VMs that use it", xml=lambda image, _: ids("VMS", image.vms)),
    Element("CLONES", "the clones that are being made of it", xml=lambda image, _: ids("CLONES", image.clones)),
    Element("APP_CLONES", "always empty", xml=lambda *_: ids("APP_CLONES", ())),
    Element("TEMPLATE", "attributes", xml=lambda image, _: template_xml(image.template)),
    Element("SNAPSHOTS", "none", xml=lambda *_: wrap("SNAPSHOTS", NO_SNAPSHOTS)),
    Element("BACKUP_INCREMENTS", "none", xml=lambda *_: wrap("BACKUP_INCREMENTS", "")),
    Element("BACKUP_DISK_IDS", "none", xml=lambda *_: ids("BACKUP_DISK_IDS", ())),
)  # fmt: skip


class Image(Owned):
    """A registered image.

    stored  READY, DISABLED, LOCKED, ERROR or DELETE; `state` adds use and cloning to it
    fs      file system to make it with; format what its bytes are, "" until its driver has told
    cloning the image that it is being copied from, -1 when it is whole
    origin  the image that it could not be copied from, -1 when no copy failed: a retry begins it again
    saving  the VM whose disk becomes this image, -1 when none does
    made    when its files were whole, epoch s; 0 if there never were any to make
    replaces the MiB of what that disk takes the place of; until it has, size has room for both
    origin_path  of a file that a client has sent, while it is copied from where the front-end keeps it: what it was
            called there
    growing  the MiB that it is being given as the disk of a VM, 0 when it is not
    vms     ids of the VMs that use it; clones those of the images that are being copied from it. Both are derived
    """

    kind = Kind.IMAGE
    ROOT = "IMAGE"
    ELEMENTS = ELEMENTS
    STORED = (
        "name", "uid", "gid", "octal", "lock", "type", "disk_type", "persistent", "regtime", "source", "path",
        "format", "fs", "size", "stored", "previous", "cloning", "origin", "saving", "replaces",
        "made", "growing", "datastore", "origin_path",
    )  # fmt: skip

    type: int = ImageType.OS
    disk_type: int = DiskType.FILE
    persistent: int = 0
    regtime: int = 0
    source: str = ""
    path: str = ""
    format: str = ""
    fs: str = ""
    size: int = 0
    stored: int = ImageState.LOCKED
    previous: int = ImageState.INIT
    cloning: int = -1
    origin: int = -1
    saving: int = -1
    replaces: int = 0
    made: float = 0.0
    growing: int = 0
    origin_path: str = ""
    datastore: int = 1

    def __init__(self, oid: int, name: str, owner: tuple[int, int], octal: int) -> None:
        self.id, self.name = oid, name
        self.uid, self.gid = owner
        self.permissions = Permissions(octal)
        self.template = Template()
        self.settle()

    def settle(self) -> None:
        self.vms: set[int] = set()
        self.clones: set[int] = set()

    @property
    def state(self) -> ImageState:
        """The stored state, with use and cloning."""
        if self.vms and self.stored == ImageState.READY:
            return ImageState.USED_PERS if self.persistent else ImageState.USED
        if self.vms and self.stored == ImageState.LOCKED:
            return ImageState.LOCKED_USED_PERS if self.persistent else ImageState.LOCKED_USED
        if self.clones and self.stored == ImageState.READY:
            return ImageState.CLONE
        return ImageState(self.stored)

    @property
    def room(self) -> int:
        """The MiB that it takes, or is about to."""
        return max(self.size, self.growing)

    @property
    def is_disk(self) -> bool:
        """Whether a VM's disk can be made of it; else it is a plain file."""
        return self.type in DISKS

    def move_to(self, state: ImageState) -> None:
        """Another stored state."""
        if state is ImageState.READY and self.stored == ImageState.LOCKED:
            self.made = clock.now()
        if state != self.stored:
            self.previous, self.stored = self.stored, int(state)
