"""Which system datastore a VM's disks go to, and why a VM waits for one."""

from dataclasses import replace

from oned.errors import NoSpace
from oned.rules import ALL, INDIVIDUAL, RIGHTS, TYPES
from oned.sched import pools
from oned.sched.place import Choices, Match, Placements, Rules, place
from oned.sched.pools import Candidate, Host, Owner, Store, Wish
from oned.sched.rights import Rights, Rule

GIB = 1 << 20
DATASTORE = TYPES["DATASTORE"]


def host(number: int, cluster: int = 0, **stores: int) -> Host:
    own = {int(name[2:]): free for name, free in stores.items()}
    return Host(number, f"h{number}", True, cluster, 4000, 64 * GIB, 0, 1000, {}, own)


def store(number: int, room: int | None = 1000, cluster: int = 0, **attributes: str) -> Store:
    owner = Owner(DATASTORE, number, 0, 0, (True, False, False))
    return Store(number, f"ds{number}", owner, frozenset({cluster}), room, attributes)


def vm(number: int, disk: int = 100, requirements: str = "", rank: str = "", uid: int = 0) -> Candidate:
    return Candidate(number, Wish("", "", uid, uid, 100, GIB, -1, disk, requirements, rank))


def stores_of(found: Placements) -> list[int | None]:
    return [placement.store.id if placement.store else None for placement in found.placed]


def reasons_of(found: Placements) -> list[str]:
    return [removed.detail for left in found.left for removed in left.removed]


def test_disks_spread_over_datastores_and_stop_where_the_room_ends() -> None:
    found = place(
        [vm(number) for number in range(6)], [host(0)], Rules(), Rights(), 0, Choices([store(1, 300), store(2, 250)])
    )
    assert stores_of(found) == [1, 2, 1, 2, 1]
    wanted = "without a system datastore: not enough room in a system datastore (100 MB wanted, best 50)"
    assert reasons_of(found) == [wanted]


def test_packing_fills_one_datastore_first() -> None:
    stores = [store(1, 300), store(2, 250)]
    found = place([vm(number) for number in range(3)], [host(0)], Rules(ds_policy=0), Rights(), 0, Choices(stores))
    assert stores_of(found) == [2, 2, 1]


def test_requirements_and_rank_of_the_vm_decide() -> None:
    spread = store(4, 900, **{"CLUSTERS/ID": "0,105"})
    wanted = [vm(1, requirements='("CLUSTERS/ID" @> 7 | "CLUSTERS/ID" @> 105)')]
    assert stores_of(place(wanted, [host(0)], Rules(), Rights(), 0, Choices([store(1), spread]))) == [4]
    stores = [store(1, 900, SPEED="1"), store(2, 100, SPEED="7"), store(3, 900, SPEED="9", TM_MAD="lvm")]
    wanted = [vm(1, requirements='TM_MAD = "lvm"'), vm(2, requirements="SPEED < 9", rank="SPEED")]
    assert stores_of(place(wanted, [host(0)], Rules(), Rights(), 0, Choices(stores))) == [3, 2]
    (reason,) = reasons_of(place([vm(1, requirements="SPEED > 9")], [host(0)], Rules(), Rights(), 0, Choices(stores)))
    assert reason == "without a system datastore: no system datastore meets SCHED_DS_REQUIREMENTS"
    (reason,) = reasons_of(place([vm(1, requirements="SPEED >")], [host(0)], Rules(), Rights(), 0, Choices(stores)))
    assert "error in SCHED_DS_REQUIREMENTS" in reason


def test_a_datastore_serves_the_hosts_of_its_clusters() -> None:
    found = place([vm(1)], [host(0, 100), host(1, 101)], Rules(), Rights(), 0, Choices([store(1, cluster=101)]))
    assert [placement.host.id for placement in found.placed] == [1]


def test_each_host_has_its_own_room_in_a_datastore_that_hosts_do_not_share() -> None:
    hosts = [host(0, ds1=50), host(1, ds1=400)]
    found = place([vm(1)], hosts, Rules(), Rights(), 0, Choices([store(1, None)]))
    assert [(placement.host.id, placement.store and placement.store.id) for placement in found.placed] == [(1, 1)]


def test_the_owner_needs_the_right_to_use_it() -> None:
    stores = [store(1), replace(store(2, 10), owner=Owner(DATASTORE, 2, 7, 7, (True, True, False)))]
    opens = Rule(ALL, TYPES["HOST"] | ALL, RIGHTS["MANAGE"])
    assert stores_of(place([vm(1, 5, uid=7)], [host(0)], Rules(), Rights([opens]), 0, Choices(stores))) == [2]
    (reason,) = reasons_of(place([vm(1, uid=8)], [host(0)], Rules(), Rights([opens]), 0, Choices(stores)))
    assert reason == "without a system datastore: the owner may use no system datastore (USE)"
    lets = Rule(INDIVIDUAL | 8, DATASTORE | INDIVIDUAL | 1, RIGHTS["USE"])
    assert stores_of(place([vm(1, uid=8)], [host(0)], Rules(), Rights([opens, lets]), 0, Choices(stores))) == [1]


def test_a_refused_placement_gives_the_room_back() -> None:
    match = Match([host(0), host(1)], Rules(), Rights(), 0, Choices([store(1, 100)]))
    (placement,) = match.place([vm(1)]).placed
    match.refuse(placement, "no")
    assert stores_of(match.place([vm(2)])) == [1]


def test_a_vm_that_moves_or_has_its_disks_asks_for_no_room() -> None:
    moving = Candidate(1, Wish("", "", 0, 0, 100, GIB, source=0, disk=500))
    found = place([moving, vm(2, disk=0)], [host(0), host(1)], Rules(), Rights(), 0, Choices([store(1, 0)]))
    assert stores_of(found) == [None, 1]


def test_datastores_are_read_from_their_pool() -> None:
    body = (
        "<ID>{id}</ID><UID>3</UID><GID>4</GID><NAME>d</NAME><PERMISSIONS><OWNER_U>1</OWNER_U><GROUP_U>1</GROUP_U>"
        "<OTHER_U>0</OTHER_U></PERMISSIONS><TM_MAD>shared</TM_MAD><TYPE>{type}</TYPE><STATE>{state}</STATE><CLUSTERS>"
        "<ID>0</ID><ID>100</ID></CLUSTERS><TOTAL_MB>9</TOTAL_MB><FREE_MB>5</FREE_MB><TEMPLATE><X>1</X>{more}</TEMPLATE>"
    )
    kinds = ((0, 1, 0, ""), (1, 0, 0, ""), (2, 1, 1, ""), (3, 1, 0, "<SHARED>NO</SHARED>"))
    pool = "".join(f"<DATASTORE>{body.format(id=a, type=b, state=c, more=d)}</DATASTORE>" for a, b, c, d in kinds)
    shared, local = pools.stores(f"<DATASTORE_POOL>{pool}</DATASTORE_POOL>")
    assert (shared.id, shared.room, shared.owner) == (0, 5, Owner(DATASTORE, 0, 3, 4, (True, True, False)))
    assert shared.attributes.items() >= {"TM_MAD": "shared", "X": "1", "CLUSTERS/ID": "0,100"}.items()
    assert (local.id, local.room, local.clusters) == (3, None, frozenset({0, 100}))


def test_a_datastore_that_oned_refuses_for_its_room_is_not_tried_again_but_another_is_on_the_same_host() -> None:
    match = Match([host(0)], Rules(), Rights(), 0, Choices([store(1, 900), store(2, 800)]))
    for wanted in (1, 2):
        found = match.place([vm(7)])
        assert stores_of(found) == [wanted]
        match.refuse(found.placed[0], f"[one.vm.deploy] {NoSpace(id=7, store=wanted, wanted=100, free=40)}")
    (reason,) = reasons_of(match.place([vm(7)]))
    assert "not enough room in a system datastore (100 MB wanted, best 99)" in reason
    assert stores_of(match.place([vm(8, disk=50)])) == [1]


def test_a_datastore_on_the_disk_of_a_host_is_refused_for_that_host_only() -> None:
    match = Match([host(0, ds1=500), host(1, ds1=400)], Rules(), Rights(), 0, Choices([store(1, None)]))
    tried = []
    for _ in range(2):
        (placement,) = match.place([vm(7)]).placed
        tried.append(placement.host.id)
        match.refuse(placement, f"[one.vm.deploy] {NoSpace(id=7, store=1, wanted=100, free=40)}")
    assert (sorted(tried), match.place([vm(7)]).placed) == ([0, 1], [])
    assert len(match.place([vm(8, disk=50)]).placed) == 1
