"""The document of a VM (OpenNebula 6.10 in order, with the elements of 1.4 to 4.14)."""

import copy
from collections.abc import Callable
from typing import TYPE_CHECKING

from oned.document.element import Element, escape, plain, wrap
from oned.document.object import View, lock_element, owner_elements
from oned.template.render import xml as template_xml
from oned.vm.history import Record, classic_history_xml, history_xml
from oned.vm.states import FAILED

if TYPE_CHECKING:
    from oned.vm.vm import VM

CLASSIC_FAILED_NUMBER = 7


def full_document(vm: "VM", view: View) -> str:
    """The document with all history records, as one.vm.info gives it."""
    whole = vm.document(view)
    if len(vm.history) < 2:
        return whole
    head, _, rest = whole.partition("<HISTORY_RECORDS>")
    tail = rest.partition("</HISTORY_RECORDS>")[2]
    records = "".join(history_xml(vm.id, record, strict=view.strict) for record in vm.history)
    return f"{head}<HISTORY_RECORDS>{records}</HISTORY_RECORDS>{tail}"


def accounted_xml(vm: "VM", record: Record, view: View) -> str:
    """A record as accounting tells it: in it the VM with the capacity of that stay, and without its history."""
    shown = copy.copy(vm)
    shown.history = []
    if record.memory and (record.cpu, record.memory) != vm.capacity:
        shown.template = vm.template.copy()
        shown.template.set("CPU", f"{record.cpu / 100:g}")
        shown.template.set("MEMORY", str(record.memory // 1024))
    return history_xml(vm.id, record, strict=view.strict, vm=shown.document(view))


def _state_number(vm: "VM", view: View) -> int:
    failed = view.classic_failed and vm.state in FAILED
    return CLASSIC_FAILED_NUMBER if failed else vm.state.number


def _monitoring(vm: "VM", _view: View) -> str:
    inner = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in vm.monitoring.items())
    return wrap("MONITORING", inner)


def _sample(name: str) -> Callable[["VM", View], object]:
    return lambda vm, _view: vm.monitoring.get(name, "0").partition(".")[0]


def _classic_history(vm: "VM", _view: View) -> str:
    return classic_history_xml(vm.record) if vm.history else ""


def _last_history(vm: "VM", view: View) -> str:
    if not vm.history:
        return "<HISTORY_RECORDS/>"
    return wrap("HISTORY_RECORDS", history_xml(vm.id, vm.record, strict=view.strict))


ELEMENTS = (
    *owner_elements(),
    plain("LAST_POLL", "last_poll", "time of the last monitoring"),
    Element("STATE", "number of the state", value=_state_number),
    Element("LCM_STATE", "number of the life-cycle state, 0 unless ACTIVE", value=lambda vm, _: vm.state.lcm),
    Element("PREV_STATE", "STATE before the last change", value=lambda vm, _: vm.previous.number),
    Element("PREV_LCM_STATE", "LCM_STATE before the last change", value=lambda vm, _: vm.previous.lcm),
    plain("RESCHED", "resched", "1 while another host is asked for"),
    plain("STIME", "stime", "time of submission"),
    plain("ETIME", "etime", "time of the end, 0 while alive"),
    plain("DEPLOY_ID", "deploy_id", "the hypervisor's name for it"),
    Element("MEMORY", "last monitored memory, KiB", value=_sample("MEMORY"), classic=True),
    Element("CPU", "last monitored CPU, percent of one core", value=_sample("CPU"), classic=True),
    Element("NET_TX", "bytes sent", value=_sample("NETTX"), classic=True),
    Element("NET_RX", "bytes received", value=_sample("NETRX"), classic=True),
    lock_element(),
    Element("MONITORING", "the last sample", xml=_monitoring),
    Element("SCHED_ACTIONS", "planned actions", xml=lambda *_: "<SCHED_ACTIONS/>"),
    Element("TEMPLATE", "what the engine understands", xml=lambda vm, _: template_xml(vm.template)),
    Element("USER_TEMPLATE", "the rest", xml=lambda vm, _: template_xml(vm.user_template, "USER_TEMPLATE")),
    Element("HISTORY_RECORDS", "stays on hosts; pools list the last one", xml=_last_history),
    Element("HISTORY", "the last stay, as 1.4 to 2.x had it", xml=_classic_history, classic=True),
    Element("SNAPSHOTS", "of each disk that has some", xml=lambda vm, _: "".join(tree.xml() for tree in vm.trees)),
    Element("BACKUPS", "none here", xml=lambda *_: "<BACKUPS><BACKUP_CONFIG/><BACKUP_IDS/></BACKUPS>"),
)
