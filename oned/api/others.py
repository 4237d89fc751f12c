"""The zone: what every engine has from the start, to be read."""

from oned.api.call import Call, Document
from oned.api.registry import method
from oned.document.element import tag, wrap


@method("one.zone.raftstatus", reads=True)
def raftstatus(call: Call) -> Document:
    """The state of replication: this engine stands alone. Since: 5.4."""
    rows = {
        "SERVER_ID": -1, "STATE": 0, "TERM": 0, "VOTEDFOR": -1, "COMMIT": 0, "LOG_INDEX": -1, "LOG_TERM": -1,
        "FEDLOG_INDEX": -1,
    }  # fmt: skip
    return Document(wrap("RAFT", "".join(tag(name, value) for name, value in rows.items())))
