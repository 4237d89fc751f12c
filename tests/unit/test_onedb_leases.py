"""What `onedb check` finds of leases that are not as networks, NICs and reservations say."""

import pytest

from oned.onedb.leases import LeaseRow, sound
from oned.template.template import Template
from oned.vm.states import DONE, PENDING
from oned.vm.vm import VM
from oned.vnet.leases import ON_HOLD, Holder, Place
from oned.vnet.network import Network

FIRST, SECOND = Place(0, 0), Place(0, 1)
MACS = {FIRST: "02:00:0a:00:00:01", SECOND: "02:00:0a:00:00:02"}


def network(number: int, parent: int = -1, first: str = "10.0.0.1", size: str = "4") -> Network:
    made = Network(number, f"net{number}", (0, 0), 0o600)
    made.parent = parent
    given = [{"TYPE": "IP4", "SIZE": size, "IP": first}]
    made.add_ranges(made.new_ranges(given, 0x0200, "0" if parent >= 0 else ""))
    return made


def vm(number: int, *places: Place) -> VM:
    made = VM(number, "vm", (0, 0), 0o600)
    made.template = Template(
        ("NIC", {"NETWORK_ID": "0", "AR_ID": str(place.ar), "MAC": MACS[place]}) for place in places
    )
    made.state = PENDING
    return made


def row(place: Place, holder: Holder) -> LeaseRow:
    return LeaseRow(0, place, holder)


def test_leases_as_they_should_be_are_sound() -> None:
    networks = {0: network(0), 1: network(1, parent=0, first="10.0.0.3", size="2")}
    rows = [row(FIRST, Holder("VM", 5)), row(SECOND, ON_HOLD), *(row(Place(0, at), Holder("NET", 1)) for at in (2, 3))]
    assert list(sound(networks, rows, {5: vm(5, FIRST)})) == []


@pytest.mark.parametrize(("rows", "vms", "finding"), [
    ([], [vm(5, FIRST)], "lease of place 0 in range 0 of network 0: VM 5 shows it and does not have it"),
    ([row(FIRST, Holder("VM", 6))], [vm(5, FIRST), vm(6)], "VM 5 shows it and does not have it"),
    ([row(FIRST, Holder("VM", 5))], [vm(5, FIRST), vm(6, FIRST)], "VM 6 shows it and does not have it"),
    ([row(FIRST, Holder("VM", 5))], [vm(5)], "VM 5 does not use it"),
    ([row(FIRST, Holder("VM", 5))], [], "its holder VM 5 does not live"),
    ([row(FIRST, Holder("NET", 9))], [], "its holder NET 9 does not live"),
    ([row(Place(0, 4), ON_HOLD)], [], "lease of place 4 in range 0 of network 0: there is no such place"),
    ([row(Place(3, 0), ON_HOLD)], [], "there is no such place"),
])  # fmt: skip
def test_what_does_not_agree_is_found(rows: list[LeaseRow], vms: list[VM], finding: str) -> None:
    found = list(sound({0: network(0)}, rows, {item.id: item for item in vms}))
    assert any(text.endswith(finding) for text in found), found


def test_a_vm_that_has_ended_shows_leases_that_it_need_not_have() -> None:
    over = vm(5, FIRST)
    over.state = DONE
    assert list(sound({0: network(0)}, [], {5: over})) == []
    assert len(list(sound({0: network(0)}, [row(FIRST, Holder("VM", 5))], {5: over}))) == 2


def test_ranges_that_overlap_are_found() -> None:
    twice = network(0)
    twice.ranges[1] = twice.ranges[0].changed({})
    twice.ranges[1].id = 1
    found = list(sound({0: twice}, [], {}))
    assert any("overlaps range 0" in text for text in found)
    assert any("would be given again" in text for text in found)


def test_a_reservation_whose_addresses_are_free_is_found() -> None:
    networks = {0: network(0), 1: network(1, parent=0, first="10.0.0.3", size="2")}
    assert len(list(sound(networks, [], {}))) == 2
