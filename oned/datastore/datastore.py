"""The datastore and its document (OpenNebula 6.10). Which images it holds is derived."""

from oned.datastore.tally import Tally
from oned.document.element import Element, ids, plain
from oned.document.object import Owned, owner_elements
from oned.document.permissions import Permissions
from oned.ids import Kind
from oned.numbers import mib
from oned.template.render import xml as template_xml
from oned.template.template import Template

IMAGE, SYSTEM, FILE = 0, 1, 2
NO_DRIVER = "-"
"""DS_MAD of a system datastore."""

ELEMENTS = (
    *owner_elements(),
    plain("DS_MAD", "ds_mad", "datastore driver; - for a system datastore"),
    plain("TM_MAD", "tm_mad", "transfer driver"),
    plain("BASE_PATH", "base_path", "directory on the hosts"),
    plain("TYPE", "type", "0 image, 1 system, 2 file"),
    plain("DISK_TYPE", "disk_type", "0 file, 2 block device"),
    plain("STATE", "state", "0 ready, 1 disabled"),
    Element("CLUSTERS", "its clusters", xml=lambda datastore, _: ids("CLUSTERS", datastore.clusters)),
    Element(
        "CLUSTER_ID", "its first cluster, as 3.4 to 4.14 had it", classic=True,
        value=lambda datastore, _: min(datastore.clusters, default=-1),
    ),
    Element(
        "CLUSTER", "that cluster's name", classic=True,
        value=lambda datastore, view: view.cluster_name(min(datastore.clusters, default=-1)),
    ),
    plain("TOTAL_MB", "total_mb", "size, MiB"),
    Element(
        "FREE_MB", "free, MiB; in a system datastore what LIMIT_MB and other VMs leave for new disks",
        value=lambda datastore, _: datastore.free_mb if datastore.room is None else datastore.room,
    ),
    plain("USED_MB", "used_mb", "used, MiB"),
    Element("IMAGES", "its images", xml=lambda datastore, _: ids("IMAGES", datastore.images)),
    Element("TEMPLATE", "attributes", xml=lambda datastore, _: template_xml(datastore.template)),
)  # fmt: skip


class Datastore(Owned):
    """A place for disks.

    total_mb, free_mb, used_mb  as its driver said last; total_mb is 0 before it has
    images                      ids of its images, derived
    measured                    when the driver was asked for these numbers, epoch s
    calm_mb, calm               free_mb and measured of the last answer that no image in the making blurs
    files, coming               MiB of the disks of VMs by VM: of all that are here, and of those that the numbers may
                                not have yet; derived, kept by pool.rooms
    monitored, asking           when the monitor asked last (0 never), and whether there is no answer yet
    """

    kind = Kind.DATASTORE
    ROOT = "DATASTORE"
    ELEMENTS = ELEMENTS
    STORED = (
        "name", "uid", "gid", "octal", "ds_mad", "tm_mad", "base_path", "type", "disk_type", "state", "clusters",
        "total_mb", "free_mb", "used_mb", "measured", "calm_mb", "calm",
    )  # fmt: skip

    ds_mad: str = NO_DRIVER
    type: int = SYSTEM
    disk_type: int = 0
    state: int = 0
    total_mb: int = 0
    free_mb: int = 0
    used_mb: int = 0
    measured: float = 0.0
    calm_mb: int = 0
    calm: float = 0.0
    template: Template

    def __init__(self, oid: int, name: str, tm_mad: str, base_path: str) -> None:
        self.id, self.name, self.tm_mad, self.base_path = oid, name, tm_mad, base_path
        self.permissions = Permissions(0o644)
        self.clusters: list[int] = [0]
        self.template = Template()
        self.settle()

    def settle(self) -> None:
        self.images: set[int] = set()
        self.files, self.coming = Tally(), Tally()
        self.monitored, self.asking = 0.0, False

    @property
    def limit_mb(self) -> int | None:
        """LIMIT_MB: what may be in it, MiB; None if nothing limits it."""
        limit = mib(self.template.get("LIMIT_MB").strip())
        return limit if limit >= 0 else None

    @property
    def room(self) -> int | None:
        """MiB that disks of new VMs may take in a shared system datastore, 0 or more; None if not known."""
        if self.type != SYSTEM or not self.is_shared:
            return None
        rooms = [self.free_mb - self.coming.total] if self.total_mb else []
        if self.limit_mb is not None:
            rooms.append(self.limit_mb - self.files.total)
        return max(0, min(rooms)) if rooms else None

    @property
    def is_shared(self) -> bool:
        """Whether it is one directory that front-end and hosts share; else each host has its own."""
        return self.template.get("SHARED").upper() != "NO"

    @property
    def in_clusters(self) -> tuple[int, ...]:
        return tuple(self.clusters)
