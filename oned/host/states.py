"""The states of a host (OpenNebula 6.10)."""

from enum import IntEnum


class HostState(IntEnum):
    """Numbers of the documents.

    As from 5.12 on, a host keeps its state while it is being asked; the states MONITORING_… of 3.6 to 5.10 have their
    numbers and are never entered.
    """

    INIT = 0
    MONITORING_MONITORED = 1
    MONITORED = 2
    ERROR = 3
    DISABLED = 4
    MONITORING_ERROR = 5
    MONITORING_INIT = 6
    MONITORING_DISABLED = 7
    OFFLINE = 8

    @property
    def sentence(self) -> str:
        return _SENTENCES[self]


_SENTENCES = {
    HostState.INIT: "registered, not monitored yet",
    HostState.MONITORING_MONITORED: "answers, and is being asked again (3.6 to 5.10)",
    HostState.MONITORED: "answers: VMs may be placed on it",
    HostState.ERROR: "does not answer: the reason is in its TEMPLATE/ERROR",
    HostState.DISABLED: "takes no new VMs; those it has go on, and it is still monitored",
    HostState.MONITORING_ERROR: "did not answer, and is being asked again (3.6 to 5.10)",
    HostState.MONITORING_INIT: "is being asked for the first time (4.0 to 5.10)",
    HostState.MONITORING_DISABLED: "disabled, and is being asked (4.0 to 5.10)",
    HostState.OFFLINE: "switched off: not monitored, takes no VMs",
}

UP = (HostState.MONITORED, HostState.MONITORING_MONITORED)
"""VMs may be placed on it."""

STATUS = {0: HostState.INIT, 1: HostState.DISABLED, 2: HostState.OFFLINE}
"""The second argument of one.host.status."""
