"""The networks of a VM on its host, around what the hypervisor does with its domain."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from xml.etree import ElementTree

from oned.drivers.lib.hypervisor import hypervisor
from oned.drivers.lib.request import VMRequest
from oned.drivers.lib.settings import Settings
from oned.drivers.lib.task import ActionFailed, Cancelled, Task
from oned.drivers.lib.uri import files_at
from oned.drivers.vnm.drivers import carry_out, steps
from oned.drivers.vnm.step import DUMMY, Nic, nic_of

Act = Callable[[VMRequest, Task], str]


class Networks:
    """What network drivers do, for one driver's settings. A VM whose document is not there has no networks."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def starting(self, act: Act, undo: Act) -> Act:
        """An action that starts the domain, or gives it a NIC; if taps cannot be set up, `undo` takes that back."""

        def start(request: VMRequest, task: Task) -> str:
            started = request
            try:
                self.prepare(request, request.host, task)
                answer = act(request, task)
                started = replace(request, deploy_id=answer or request.deploy_id)
                self._connect_or(undo, started, task)
            except ActionFailed:
                if not task.cancelled:
                    self.sweep(started, request.host, task)
                raise
            return answer

        return start

    def _connect_or(self, undo: Act, request: VMRequest, task: Task) -> None:
        try:
            self.connect(request, request.host, task)
        except ActionFailed:
            if not task.cancelled:
                undo(request, task)
            raise

    def ending(self, act: Act) -> Act:
        """An action after which the domain is gone, or one of its NICs."""

        def end(request: VMRequest, task: Task) -> str:
            before = self._live(request, request.host, task) or []
            answer = act(request, task)
            self.sweep(request, request.host, task, before)
            return answer

        return end

    def changing(self, act: Act) -> Act:
        """An action that changes a NIC of the running domain: the rules of its networks are set anew."""

        def change(request: VMRequest, task: Task) -> str:
            answer = act(request, task)
            self.connect(request, request.host, task)
            return answer

        return change

    def moving(self, act: Act) -> Act:
        """An action that takes the domain from one host to another."""

        def move(request: VMRequest, task: Task) -> str:
            before = self._live(request, request.host, task) or []
            try:
                self.prepare(request, request.destination, task)
                answer = act(request, task)
            except (ActionFailed, Cancelled):
                self.sweep(request, request.destination, task.after_cancel())
                raise
            task = task.after_cancel()  # it has moved, be it that it was not to any more
            self.sweep(request, request.host, task, before)
            try:
                self.connect(request, request.destination, task)
            except ActionFailed as failure:  # it runs there: what it may send is all that is missing
                task.error(f"The VM has moved, but its networks on {request.destination} are not complete: {failure}")
            return answer

        return move

    # -- the three phases -----------------------------------------------------------------------------------------
    def prepare(self, request: VMRequest, host: str, task: Task) -> None:
        """Bridges and what is behind them, and the rules of taps whose names are known. Errors: ActionFailed."""
        self._carry_out("pre", _nics(request, host), host, task)

    def connect(self, request: VMRequest, host: str, task: Task) -> None:
        """What is set at the taps of the running domain. Errors: ActionFailed."""
        self._carry_out("post", self._live(request, host, task) or [], host, task)

    def sweep(self, request: VMRequest, host: str, task: Task, before: Sequence[Nic] = ()) -> None:
        """Nothing is left of taps that the domain does not have (any more). What cannot be removed is told in the log.

        before  its NICs when it had them: only the hypervisor knows what some were called
        """
        try:
            nics = [*before, *(nic for nic in _nics(request, host) if nic.target)]
            live = self._live(request, host, task) if nics else []
            if live is not None:
                left = {nic.tap for nic in live}
                self._carry_out("clean", [nic for nic in nics if nic.tap not in left], host, task)
        except ActionFailed as failure:
            task.error(f"Rules of the VM's networks are left on {host}: {failure}")

    def _carry_out(self, phase: str, nics: list[Nic], host: str, task: Task) -> None:
        if wanted := steps(phase, nics):
            carry_out(files_at(host, self._settings), wanted, task)

    def _live(self, request: VMRequest, host: str, task: Task) -> list[Nic] | None:
        """The NICs that the domain has there, with their taps; None if that cannot be told."""
        try:
            nics = _nics(request, host)
            if all(nic.driver in ("", DUMMY) for nic in nics):
                return []
            with hypervisor(host, self._settings) as kvm:
                domain = kvm.find(request.deploy_id or f"one-{request.vm}")
                taps = {} if domain is None else _taps(domain.XMLDesc(0))
        except ActionFailed as failure:
            task.info(f"The taps of the VM on {host} are not known: {failure}")
            return None
        return [replace(nic, tap=taps[nic.mac]) for nic in nics if nic.mac in taps]


def _nics(request: VMRequest, host: str) -> list[Nic]:
    """The NICs of the VM's document, as the host has them. Errors: ActionFailed."""
    vectors = request.document.iterfind("TEMPLATE/NIC") if request.document is not None else ()
    of_host = request.dest_net_drv if host == request.destination else request.net_drv
    return [nic_of(request.vm, vector, of_host) for vector in vectors]


def _taps(xml: str) -> dict[str, str]:
    """The device on the host of each hardware address of a domain."""
    found = {}
    for interface in ElementTree.fromstring(xml).iterfind("devices/interface"):
        mac, target = interface.find("mac"), interface.find("target")
        if mac is not None and target is not None:
            found[mac.get("address", "").lower()] = target.get("dev", "")
    return found
