"""oned.vn.preview: what a change of a network would take, found as the change itself finds it."""

from collections.abc import Callable, Iterable
from functools import partial

from oned.api.call import Call, Document
from oned.api.owned import MERGE, REPLACE
from oned.api.registry import ADMIN, MANAGE, USE, method
from oned.api.vnet import found_update
from oned.api.vnet_holds import found_free, found_held, found_leases, found_removable
from oned.api.vnet_ranges import found_changes, found_ranges
from oned.api.vnet_reserve import found_reservation
from oned.document.element import tag, wrap
from oned.errors import BadArgument
from oned.template.render import xml as template_xml
from oned.vnet.leases import Place
from oned.vnet.network import Network
from oned.vnet.range import Range

Find = Callable[[Call, Network, str], str]


def _places(find: Callable[[Call, Network, str], Iterable[Place]]) -> Find:
    def shown(call: Call, network: Network, template: str) -> str:
        found = [network.ranges[place.ar].at(place.place).named() for place in find(call, network, template)]
        return "".join(wrap("LEASE", "".join(tag(*row) for row in named.items())) for named in found)

    return shown


def _ranges(find: Callable[[Call, Network, str], Iterable[Range]]) -> Find:
    def shown(call: Call, network: Network, template: str) -> str:
        return "".join(_range(one) for one in find(call, network, template))

    return shown


def _range(one: Range) -> str:
    ends = "".join(tag(name, value) for name, value in one.ends().items() if name.endswith("_END"))
    return wrap("AR", one.xml() + ends)


def _reservation(call: Call, network: Network, template: str) -> str:
    extends, _, made = found_reservation(call, network, template)
    return tag("NETWORK_ID", extends.id) + tag("NAME", extends.name) + _range(made)


def _attributes(call: Call, network: Network, template: str, append: int) -> str:
    return template_xml(found_update(call, network, template, append))


CHANGES: dict[str, tuple[int, Find]] = {
    "hold": (MANAGE, _places(found_free)),
    "release": (MANAGE, _places(found_held)),
    "addleases": (MANAGE, _ranges(found_leases)),
    "rmleases": (MANAGE, _places(found_removable)),
    "update": (MANAGE, partial(_attributes, append=REPLACE)),
    "update_append": (MANAGE, partial(_attributes, append=MERGE)),
    "add_ar": (ADMIN, _ranges(found_ranges)),
    "update_ar": (MANAGE, _ranges(found_changes)),
    "reserve": (USE, _reservation),
}
"""Name of the change, mostly one.vn.NAME → the right that it needs, and how what it takes is found."""


def _right(_call: Call, network: Network, change: str, template: str) -> int:
    return CHANGES[change][0] if change in CHANGES else USE


@method("oned.vn.preview", network=_right)
def preview(call: Call, network: Network, change: str, template: str) -> Document:
    """What one.vn.CHANGE with the template would take, after all its checks: rights, locks, quotas; nothing is changed.

    change  hold, release, addleases, rmleases, add_ar, update_ar, reserve, update, or update_append (append is 1)
    Answers <PREVIEW>: LEASE (IP, MAC) for addresses, AR for ranges; of a reservation NETWORK_ID (-1: a new one), NAME;
    of an update the TEMPLATE.
    Errors: those of the change; XML_RPC_API (no such change).
    Since: oned.
    """
    if change not in CHANGES:
        raise BadArgument(detail=f"There is no change {change!r} of networks. It is one of {', '.join(CHANGES)}")
    return Document(wrap("PREVIEW", CHANGES[change][1](call, network, template)))
