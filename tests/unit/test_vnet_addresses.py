"""Addresses, ranges, and classic networks that become ranges."""

import ipaddress

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from oned.template.parse import parse
from oned.vnet import address, classic
from oned.vnet.range import IP4_TYPES, SLAAC_TYPES, STATIC_TYPES, TYPES, Range, RangeError, check_overlaps

PREFIX = 0x0200
IP4S = st.integers(0, 2**32 - 1)
MACS = st.integers(0, 2**48 - 1)


@given(IP4S)
def test_an_ipv4_address_reads_back(number: int) -> None:
    assert address.read_ip4(address.ip4(number)) == number


@given(st.integers(0, 2**128 - 1))
def test_an_ipv6_address_reads_back(number: int) -> None:
    assert address.read_ip6(address.ip6(number)) == number


@given(MACS)
def test_a_mac_reads_back_in_any_case(number: int) -> None:
    text = address.mac(number)
    assert address.read_mac(text) == address.read_mac(text.upper()) == number
    assert len(text) == 17


@given(st.integers(0, 0xFFFF), IP4S)
def test_the_mac_of_an_address_tells_it(prefix: int, number: int) -> None:
    parts = address.mac(address.mac_of_ip(prefix, number)).split(":")
    assert int(parts[0] + parts[1], 16) == prefix
    assert ".".join(str(int(part, 16)) for part in parts[2:]) == address.ip4(number)


@given(MACS, st.integers(0, 2**24))
def test_only_the_last_four_bytes_of_a_mac_count_up(number: int, steps: int) -> None:
    moved = address.shifted(number, steps)
    assert moved >> 32 == number >> 32
    assert (moved - number) % 2**32 == steps


def test_the_lower_half_of_an_ipv6_address_is_that_of_rfc_4291() -> None:
    made = address.LINK_LOCAL | address.eui64(address.read_mac("02:00:c0:a8:00:05"))
    assert address.ip6(made) == "fe80::c0ff:fea8:5"


@pytest.mark.parametrize("text", ["", "02:00", "02-00-00-00-00-01", "02:00:00:00:00:1g", "1:2:3:4:5:6:7"])
def test_what_is_no_mac_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no MAC"):
        address.read_mac(text)


@st.composite
def ranges(draw: st.DrawFn) -> Range:
    """Any range that can be."""
    kind = draw(st.sampled_from(sorted(TYPES)))
    size = draw(st.integers(1, 2000))
    attributes = {"TYPE": kind, "SIZE": str(size)}
    if kind in IP4_TYPES:
        attributes["IP"] = address.ip4(draw(st.integers(0, 2**32 - size)))
    if kind in STATIC_TYPES:
        attributes["IP6"] = address.ip6(draw(st.integers(0, 2**128 - size)))
    if kind in SLAAC_TYPES:
        attributes["GLOBAL_PREFIX"] = "2001:db8:a:b::"
    if draw(st.booleans()):
        number = draw(MACS)
        assume(number % 2**32 + size <= 2**32)
        attributes["MAC"] = address.mac(number)
    return Range.made(0, attributes, PREFIX)


@given(ranges(), st.data())
def test_every_place_is_found_by_its_addresses(one: Range, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, one.size - 1))
    found = one.at(place).named()
    assert one.place_of_mac(found["MAC"]) == place
    for key in ("IP", "IP6"):
        assert key not in found or one.place_of_ip(found[key]) == place


@given(ranges(), st.data())
def test_addresses_beside_a_range_are_not_in_it(one: Range, data: st.DataObject) -> None:
    outside = data.draw(st.integers(one.size, one.size + 5))
    number = address.shifted(address.read_mac(one.attributes["MAC"]), outside)
    assert one.place_of_mac(address.mac(number)) is None
    assert one.place_of_mac(address.mac(number ^ 1 << 47)) is None


@given(ranges())
def test_what_a_range_shows_makes_it_again(one: Range) -> None:
    shown = {**one.attributes, **one.ends(), "AR_ID": "3", "USED_LEASES": "1"}
    again = Range.made(0, shown, PREFIX)
    assert again.attributes == one.attributes
    assert one.changed(shown).attributes == one.attributes


@given(ranges(), ranges())
def test_ranges_overlap_when_they_have_an_address_in_common(one: Range, other: Range) -> None:
    second = Range(1, other.attributes)
    common = any(
        set(range(first, first + one.size)) & set(range(start, start + second.size))
        for kind, first in one.spans()
        for same, start in second.spans()
        if kind == same
    )
    try:
        check_overlaps([one, second])
    except RangeError:
        assert common
    else:
        assert not common


@pytest.mark.parametrize(("attributes", "why"), [
    ({}, "TYPE of an address range is missing"), ({"TYPE": "IP5"}, "is IP5; it is one of"),
    ({"TYPE": "ETHER"}, "SIZE"), ({"TYPE": "ETHER", "SIZE": "0"}, "SIZE"), ({"TYPE": "ETHER", "SIZE": "-3"}, "SIZE"),
    ({"TYPE": "ETHER", "SIZE": "16777217"}, "SIZE"), ({"TYPE": "IP4", "SIZE": "4"}, "needs IP"),
    ({"TYPE": "IP6_STATIC", "SIZE": "4"}, "needs IP6"), ({"TYPE": "IP4", "SIZE": "4", "IP": "10.0.0"}, "IP of"),
    ({"TYPE": "IP4", "SIZE": "4", "IP": "255.255.255.254"}, "beyond"),
    ({"TYPE": "ETHER", "SIZE": "4", "MAC": "02:00:ff:ff:ff:fe"}, "beyond"),
    ({"TYPE": "ETHER", "SIZE": "4", "MAC": "nonsense"}, "MAC of"),
    ({"TYPE": "IP6", "SIZE": "4", "GLOBAL_PREFIX": "2001:db8::1"}, "more than a prefix"),
])  # fmt: skip
def test_a_range_that_cannot_be_is_refused_with_the_reason(attributes: dict[str, str], why: str) -> None:
    with pytest.raises(RangeError, match=why):
        Range.made(0, attributes, PREFIX)


@pytest.mark.parametrize(("given_key", "value"), [("IP", "10.0.0.2"), ("MAC", "02:00:00:00:00:09"), ("TYPE", "ETHER")])
def test_the_first_addresses_of_a_range_stay(given_key: str, value: str) -> None:
    one = Range.made(0, {"TYPE": "IP4", "SIZE": "4", "IP": "10.0.0.1"}, PREFIX)
    with pytest.raises(RangeError, match=f"{given_key} of an address range cannot be changed"):
        one.changed({given_key: value})


# --- classic networks ---


@given(IP4S, st.integers(1, 5000))
def test_a_ranged_network_gives_as_many_addresses_as_it_says(base: int, size: int) -> None:
    text = f"TYPE = RANGED\nNETWORK_ADDRESS = {address.ip4(base)}\nNETWORK_SIZE = {size}\n"
    (made,) = classic.ranges(parse(text), "254")
    mask = ipaddress.IPv4Address(classic.network_mask(parse(text), "254"))
    network = ipaddress.IPv4Network(f"{address.ip4(base)}/{mask}", strict=False)
    first = ipaddress.IPv4Address(made["IP"])
    assert (first, int(made["SIZE"])) == (network.network_address + 1, size)
    assert first + size - 1 in network
    assert first + size - 1 < network.broadcast_address
    assert network.num_addresses < 2 * (size + 2)


@pytest.mark.parametrize(("size", "first", "count", "mask"), [
    ("C", "192.168.5.1", 254, "255.255.255.0"), ("b", "192.168.0.1", 65534, "255.255.0.0"),
    ("A", "192.0.0.1", 16777214, "255.0.0.0"), ("0", "192.168.5.65", 30, "255.255.255.224"),
    ("", "192.168.5.65", 30, "255.255.255.224"), ("10", "192.168.5.65", 10, "255.255.255.240"),
])  # fmt: skip
def test_the_size_of_a_ranged_network_is_a_class_or_a_number(size: str, first: str, count: int, mask: str) -> None:
    given_size = f"NETWORK_SIZE = {size}\n" if size else ""
    template = parse(f"TYPE = ranged\nNETWORK_ADDRESS = 192.168.5.70\n{given_size}")
    assert classic.ranges(template, "30") == [{"TYPE": "IP4", "SIZE": str(count), "IP": first}]
    assert classic.network_mask(template, "30") == mask


@pytest.mark.parametrize(("more", "first", "count"), [
    ("NETWORK_ADDRESS = 10.0.0.0/28", "10.0.0.1", 14),
    ("NETWORK_ADDRESS = 10.0.0.0\nNETWORK_MASK = 255.255.255.240", "10.0.0.1", 14),
    ("NETWORK_ADDRESS = 10.0.0.0/24\nIP_START = 10.0.0.10\nIP_END = 10.0.0.19", "10.0.0.10", 10),
    ("NETWORK_ADDRESS = 10.0.0.0/24\nIP_START = 10.0.0.250", "10.0.0.250", 5),
    ("IP_START = 10.0.0.10\nIP_END = 10.0.0.10", "10.0.0.10", 1),
])  # fmt: skip
def test_masks_and_bounds_of_3_x_limit_a_ranged_network(more: str, first: str, count: int) -> None:
    (made,) = classic.ranges(parse(f"TYPE = RANGED\n{more}\n"), "254")
    assert made == {"TYPE": "IP4", "SIZE": str(count), "IP": first}


@pytest.mark.parametrize(("text", "why"), [
    ("TYPE = STAR", "RANGED or FIXED"), ("TYPE = RANGED", "needs NETWORK_ADDRESS"),
    ("TYPE = RANGED\nNETWORK_ADDRESS = 10.0.0", "NETWORK_ADDRESS is not an IPv4 address"),
    ("TYPE = RANGED\nNETWORK_ADDRESS = 10.0.0.0\nNETWORK_SIZE = 16777215", "at most 16777214, not 16777215"),
    ("TYPE = RANGED\nNETWORK_ADDRESS = 10.0.0.0/31", "leaves no usable range"),
    ("TYPE = RANGED\nNETWORK_ADDRESS = 10.0.0.0/x", "mask of the network is none"),
    ("TYPE = RANGED\nNETWORK_ADDRESS = 10.0.0.0/24\nIP_START = 10.0.1.1", "must lie in the network"),
    ("TYPE = RANGED\nNETWORK_ADDRESS = 10.0.0.0/24\nIP_START = 10.0.0.9\nIP_END = 10.0.0.8", "start before the end"),
    ("TYPE = FIXED\nLEASES = [ MAC = \"02:00:00:00:00:01\" ]", "IP is not an IPv4 address"),
])  # fmt: skip
def test_a_classic_network_that_cannot_be_is_refused_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(RangeError, match=why):
        classic.ranges(parse(f"{text}\n"), "254")


@pytest.mark.parametrize("size", ["many", "-5", "0", "1.5", "D", '""'])
def test_a_network_size_that_cannot_be_read_is_the_default(size: str) -> None:
    text = f"TYPE = RANGED\nNETWORK_ADDRESS = 10.0.0.0\nNETWORK_SIZE = {size}\n"
    assert classic.ranges(parse(text), "30") == [{"TYPE": "IP4", "SIZE": "30", "IP": "10.0.0.1"}]


@given(st.lists(IP4S, max_size=30, unique=True))
def test_a_fixed_network_has_a_range_for_each_lease_in_their_order(numbers: list[int]) -> None:
    text = "".join(f"LEASES = [ IP = {address.ip4(number)} ]\n" for number in numbers)
    made = classic.ranges(parse(f"TYPE = FIXED\n{text}"), "254")
    assert [address.read_ip4(one["IP"]) for one in made] == sorted(numbers)
    assert all((one["TYPE"], one["SIZE"]) == ("IP4", "1") for one in made)


@pytest.mark.parametrize("length", ["999", "0", "-1", "129", "many"])
def test_a_prefix_length_that_cannot_be_is_refused(length: str) -> None:
    given = {"TYPE": "IP6_STATIC", "IP6": "2001:db8::1", "SIZE": "4", "PREFIX_LENGTH": length}
    with pytest.raises(RangeError, match=f"PREFIX_LENGTH of an address range is .* from 1 to 128, not {length}"):
        Range.made(0, given, 0x0200)
    assert Range.made(0, given | {"PREFIX_LENGTH": "64"}, 0x0200).attributes["PREFIX_LENGTH"] == "64"
