"""History records: one per stay of a VM on a host (spec of OpenNebula 6.x, with the elements of 1.4 to 4.14)."""

from dataclasses import dataclass, fields
from typing import Any, Self

from oned.document.element import tag, wrap

NONE, ERROR, STOP_RESUME, USER, CANCEL = range(5)
"""REASON, up to 5.2."""

ACTIONS: dict[str, int] = {
    "none": 0, "migrate": 1, "migrate live": 2, "undeploy": 5, "undeploy-hard": 6, "hold": 7, "release": 8,
    "stop": 9, "suspend": 10, "resume": 11, "boot": 12, "delete": 13, "recreate": 14, "reboot": 15,
    "reboot-hard": 16, "resched": 17, "unresched": 18, "poweroff": 19, "poweroff-hard": 20, "disk-attach": 21,
    "disk-detach": 22, "nic-attach": 23, "nic-detach": 24, "disk-snapshot-create": 25, "disk-snapshot-delete": 26,
    "terminate": 27, "terminate-hard": 28, "disk-resize": 29, "deploy": 30, "resize": 35, "snapshot-create": 37,
    "snapshot-delete": 38, "snapshot-revert": 39, "disk-saveas": 40, "disk-snapshot-revert": 41, "recover": 42,
    "retry": 43, "monitor": 44, "migrate poweroff": 48, "migrate poweroff-hard": 49, "nic-update": 51,
}  # fmt: skip
"""ACTION of 4.0 and later: what ended the stay, by the name of the life-cycle event."""

STOPS = ("stop", "suspend", "poweroff", "poweroff-hard", "undeploy", "undeploy-hard")
MOVES = ("migrate", "migrate live", "migrate poweroff", "migrate poweroff-hard", "delete", "recreate")
CLEAR, DOUBTFUL, LEFT, ASKED = range(4)
"""Whether the stay may have left a domain on its host: no; a driver has said that it moved away; it is to be ended; and
that was tried by the removal that is under way."""
_REASONS = (
    {ACTIONS[name]: STOP_RESUME for name in STOPS}
    | {ACTIONS[name]: USER for name in MOVES}
    | {ACTIONS["terminate-hard"]: CANCEL}
)


@dataclass
class Record:
    """A stay on a host. Times are epoch seconds, 0 = not yet; `etime` 0 means that the stay goes on.

    sysds_path   directory of the system datastore on the host
    port         port of its console there; 0 if it is what its template says anyway
    stray        whether it may have left a domain on the host: CLEAR, DOUBTFUL, LEFT or ASKED (vm.strays)
    images       the VM's files are in `images` below its directory, as drivers of plain words (to 3.0) expect it
    cpu, memory  the VM's capacity at this stay; 0 in records of before it was kept
    """

    seq: int
    hid: int
    hostname: str
    cid: int = 0
    vm_mad: str = ""
    tm_mad: str = ""
    vn_mad: str = "dummy"
    ds_id: int = 0
    sysds_path: str = ""
    stime: int = 0
    etime: int = 0
    pstime: int = 0
    petime: int = 0
    rstime: int = 0
    retime: int = 0
    estime: int = 0
    eetime: int = 0
    action: int = 0
    failed: bool = False
    uid: int = -1
    gid: int = -1
    request: int = -1
    cpu: int = 0
    memory: int = 0
    images: bool = False
    port: int = 0
    stray: int = CLEAR

    @property
    def reason(self) -> int:
        """The classic REASON, derived from the action that ended the stay."""
        return ERROR if self.failed else _REASONS.get(self.action, NONE)

    @property
    def left(self) -> bool:
        """Whether the stay is over and its files were carried away from the host."""
        return bool(self.etime and self.eetime)

    @property
    def ds_location(self) -> str:
        """The directory that holds the system datastore's, as 3.8 to 4.14 show it."""
        return self.sysds_path.rpartition("/")[0]

    def copy(self, seq: int, now: int) -> Self:
        """A new stay on the same host, beginning now."""
        kept = ("hid", "hostname", "cid", "vm_mad", "tm_mad", "vn_mad", "ds_id", "sysds_path", "images", "port")
        return type(self)(seq=seq, stime=now, **{name: getattr(self, name) for name in kept})

    def saved(self) -> dict[str, Any]:
        return vars(self)

    @classmethod
    def restored(cls, state: dict[str, Any]) -> Self:
        known = {item.name for item in fields(cls)}
        return cls(**{name: value for name, value in state.items() if name in known})


_MODERN = (
    ("SEQ", "seq"), ("HOSTNAME", "hostname"), ("HID", "hid"), ("CID", "cid"), ("STIME", "stime"), ("ETIME", "etime"),
    ("VM_MAD", "vm_mad"), ("TM_MAD", "tm_mad"), ("DS_ID", "ds_id"), ("PSTIME", "pstime"), ("PETIME", "petime"),
    ("RSTIME", "rstime"), ("RETIME", "retime"), ("ESTIME", "estime"), ("EETIME", "eetime"), ("ACTION", "action"),
    ("UID", "uid"), ("GID", "gid"), ("REQUEST_ID", "request"),
)  # fmt: skip
_CLASSIC = (("VMMMAD", "vm_mad"), ("TMMAD", "tm_mad"), ("DS_LOCATION", "ds_location"), ("REASON", "reason"),
            ("VNMMAD", "vn_mad"))  # fmt: skip


def history_xml(oid: int, record: Record, *, strict: bool, vm: str = "") -> str:
    """<HISTORY> of one record; `vm` is the document of its VM, which accounting puts in."""
    rows = _MODERN if strict else _MODERN + _CLASSIC
    inner = "".join(tag(name, getattr(record, attribute)) for name, attribute in rows)
    return wrap("HISTORY", f"<OID>{oid}</OID>{inner}{vm}")


_OLDEST = (
    ("SEQ", "seq"), ("HOSTNAME", "hostname"), ("HID", "hid"), ("STIME", "stime"), ("ETIME", "etime"),
    ("PSTIME", "pstime"), ("PETIME", "petime"), ("RSTIME", "rstime"), ("RETIME", "retime"), ("ESTIME", "estime"),
    ("EETIME", "eetime"), ("REASON", "reason"),
)  # fmt: skip


def classic_history_xml(record: Record) -> str:
    """<HISTORY> as 1.4 to 2.x put it directly under VM."""
    return wrap("HISTORY", "".join(tag(name, getattr(record, attribute)) for name, attribute in _OLDEST))
