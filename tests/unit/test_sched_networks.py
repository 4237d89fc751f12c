"""Which networks the NICs of a VM get that say NETWORK_MODE = auto, and why a VM waits for one."""

from hypothesis import given
from hypothesis import strategies as st

from oned.rules import ALL, RIGHTS, TYPES
from oned.sched import pools
from oned.sched.networks import Networks, spoken
from oned.sched.place import Choices, Match, Placements, Rules, place
from oned.sched.pools import Candidate, Host, Network, NicWish, Owner, Wish
from oned.sched.rights import Rights, Rule

GIB = 1 << 20


def host(number: int, cluster: int = 0) -> Host:
    return Host(number, f"h{number}", True, cluster, 40000, 640 * GIB, 0, 1000, {})


def network(number: int, free: int = 10, used: int = 0, cluster: int = 0, **attributes: str) -> Network:
    owner = Owner(TYPES["NET"], number, 0, 0, (True, False, False))
    return Network(number, f"net{number}", owner, frozenset({cluster}), free, used, attributes)


def wish(*nics: NicWish, uid: int = 0) -> Wish:
    return Wish("", "", uid, uid, 100, GIB, nics=nics)


def vm(number: int, *nics: NicWish, uid: int = 0) -> Candidate:
    return Candidate(number, wish(*(nics or (NicWish(0),)), uid=uid))


def placed(vms: list[Candidate], *networks: Network, rules: Rules | None = None, rights: Rights | None = None,
           hosts: tuple[Host, ...] = (host(0),)) -> Placements:  # fmt: skip
    return place(vms, hosts, rules or Rules(), rights or Rights(), 0, Choices(networks=networks))


def chosen(found: Placements) -> list[dict[int, int]]:
    return [{number: one.id for number, one in placement.networks.items()} for placement in found.placed]


def reasons(found: Placements) -> list[str]:
    return [removed.detail for left in found.left for removed in left.removed]


def test_vms_spread_over_networks_and_stop_where_the_addresses_end() -> None:
    found = placed([vm(number) for number in range(6)], network(1, 3), network(2, 2))
    assert chosen(found) == [{0: 1}, {0: 2}, {0: 1}, {0: 2}, {0: 1}]
    why = "without networks (NETWORK_MODE = auto): NIC 0: no network that it could be in has a free address"
    assert reasons(found) == [why]


def test_packing_fills_one_network_first() -> None:
    found = placed([vm(number) for number in range(3)], network(1, 9, 4), network(2, 2, 8), rules=Rules(nic_policy=0))
    assert chosen(found) == [{0: 2}, {0: 2}, {0: 1}]


def test_each_nic_has_requirements_and_a_rank_of_its_own() -> None:
    networks = network(1, SPEED="1"), network(2, SPEED="7"), network(3, SPEED="9", ZONE="dmz")
    found = placed([vm(1, NicWish(0, "SPEED < 9", "SPEED"), NicWish(2, 'ZONE = "dmz"'))], *networks)
    assert chosen(found) == [{0: 2, 2: 3}]
    (reason,) = reasons(placed([vm(1, NicWish(4, "SPEED > 9"))], *networks))
    assert reason == "without networks (NETWORK_MODE = auto): NIC 4: no network meets SCHED_REQUIREMENTS"
    (reason,) = reasons(placed([vm(1, NicWish(0, "SPEED >"))], *networks))
    assert "NIC 0: error in SCHED_REQUIREMENTS" in reason
    assert "NIC 0: there are no networks" in reasons(placed([vm(1)]))[0]


def test_the_nics_of_a_vm_get_different_networks_unless_that_is_switched_off() -> None:
    two = [vm(1, NicWish(0), NicWish(1))]
    assert chosen(placed(two, network(1), network(2))) == [{0: 1, 1: 2}]
    (reason,) = reasons(placed(two, network(1)))
    assert reason.endswith("in their cluster are not enough that its NICs could be in")
    assert chosen(placed(two, network(1), rules=Rules(different_vnets=False))) == [{0: 1, 1: 1}]
    assert chosen(placed(two, network(1, 1), rules=Rules(different_vnets=False))) == []


def test_a_nic_leaves_its_best_network_to_one_that_could_be_in_no_other() -> None:
    networks = network(1, BEST="2", ONLY="1"), network(2, BEST="1")
    found = placed([vm(1, NicWish(0, "", "BEST"), NicWish(1, "ONLY = 1"))], *networks)
    assert chosen(found) == [{0: 2, 1: 1}]


def test_a_host_reaches_the_networks_of_its_cluster_only() -> None:
    found = placed([vm(1)], network(1, cluster=101), hosts=(host(0, 100), host(1, 101)))
    assert [placement.host.id for placement in found.placed] == [1]


def test_the_owner_needs_the_right_to_use_it() -> None:
    opens = Rule(ALL, TYPES["HOST"] | ALL, RIGHTS["MANAGE"])
    (reason,) = reasons(placed([vm(1, uid=7)], network(1), rights=Rights([opens])))
    assert reason.endswith("NIC 0: the owner may use no network (USE)")
    lets = Rule(ALL, TYPES["NET"] | ALL, RIGHTS["USE"])
    assert chosen(placed([vm(1, uid=7)], network(1), rights=Rights([opens, lets]))) == [{0: 1}]


def test_a_refused_placement_gives_the_address_back() -> None:
    match = Match([host(0), host(1)], Rules(), Rights(), 0, Choices(networks=[network(1, 1)]))
    (placement,) = match.place([vm(1)]).placed
    match.refuse(placement, "no")
    assert chosen(match.place([vm(2)])) == [{0: 1}]


@given(st.lists(st.sets(st.integers(1, 4)), min_size=1, max_size=4))
def test_whenever_there_is_a_network_for_each_nic_they_are_found(reach: list[set[int]]) -> None:
    networks = [network(number, **{f"N{nic}": "1" for nic, found in enumerate(reach) if number in found})
                for number in range(1, 5)]  # fmt: skip
    nics = [NicWish(nic, f"N{nic} = 1") for nic in range(len(reach))]
    found = Networks(networks, Rights()).on(0, wish(*nics))
    subsets = ([one for place, one in enumerate(reach) if mask >> place & 1] for mask in range(1, 1 << len(reach)))
    possible = all(len(set().union(*some)) >= len(some) for some in subsets)
    assert (found is not None) is possible
    if found is not None:
        assert all(found[nic].id in reach[nic] for nic in range(len(reach)))
        assert len({one.id for one in found.values()}) == len(reach)


def test_the_documents_say_which_nics_and_networks_there_are() -> None:
    pool = """<VM_POOL><VM><ID>3</ID><UID>1</UID><GID>1</GID><STATE>1</STATE><TEMPLATE>
        <NIC><NIC_ID>0</NIC_ID><NETWORK_ID>4</NETWORK_ID><NETWORK_MODE>auto</NETWORK_MODE></NIC>
        <NIC><NIC_ID>1</NIC_ID><NETWORK_MODE>auto</NETWORK_MODE><SCHED_RANK> - ID </SCHED_RANK></NIC>
        <NIC><NIC_ID>2</NIC_ID></NIC></TEMPLATE></VM></VM_POOL>"""
    (found,) = pools.candidates(pool)
    assert found.wish.nics == (NicWish(1, "", "- ID"),)
    nets = """<VNET_POOL><VNET><ID>4</ID><UID>0</UID><GID>0</GID><NAME>lan</NAME>
        <CLUSTERS><ID>0</ID><ID>7</ID></CLUSTERS>
        <USED_LEASES>3</USED_LEASES><TEMPLATE><SPEED>5</SPEED></TEMPLATE>
        <AR_POOL><AR><SIZE>10</SIZE></AR><AR><SIZE>5</SIZE></AR></AR_POOL></VNET></VNET_POOL>"""
    (one,) = pools.networks(nets)
    assert (one.free, one.used, one.clusters, one.attributes["SPEED"]) == (12, 3, frozenset({0, 7}), "5")
    assert spoken({1: one}) == 'NIC = [ NIC_ID = "1", NETWORK_ID = "4" ]'
