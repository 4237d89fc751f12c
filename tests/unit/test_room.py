"""Room in datastores: what is new counts until it has been measured, and limits count what things may grow to."""

from hypothesis import given
from hypothesis import strategies as st

from oned import clock
from oned.datastore.datastore import Datastore
from oned.datastore.tally import Tally
from oned.image import room
from oned.image.image import Image
from oned.image.states import ImageState
from oned.pool.rooms import largest
from oned.template.disk import on_system
from oned.template.template import Template


def place(total: int, free: int, measured: float, limit: str = "") -> Datastore:
    made = Datastore(1, "images", "shared", "/ds/1")
    made.total_mb, made.free_mb, made.measured = total, free, measured
    made.template.set("LIMIT_MB", limit)
    return made


def image(size: int) -> Image:
    made = Image(1, "data", (0, 0), 0o600)
    made.size, made.path = size, "/srv/data"
    return made


def test_an_image_counts_while_it_is_made_and_until_it_is_measured() -> None:
    store, made = place(100, 60, measured=clock.now() - 1), image(25)
    assert room.left(store, [made]) == 35
    made.source = "/ds/1/data"
    made.move_to(ImageState.READY)
    assert room.left(store, [made]) == 35
    store.free_mb, store.measured = 35, clock.now() + 1
    assert room.left(store, [made]) == 35


def test_an_image_that_is_half_written_when_its_datastore_is_measured_counts_once() -> None:
    now = clock.now()
    store, made = place(50, 50, measured=now - 10), image(20)
    store.calm_mb, store.calm = 50, now - 10
    assert not room.is_calm(store, [made], now - 5)
    store.free_mb, store.measured = 35, now - 5
    assert room.left(store, [made]) == 30
    store.free_mb = 25  # somebody else has written there
    assert room.left(store, [made]) == 25
    made.source = "/ds/1/data"
    made.move_to(ImageState.READY)
    store.free_mb = 30
    assert room.left(store, [made]) == 30
    assert room.is_calm(store, [made], clock.now() + 1)


def test_room_that_was_given_back_since_a_calm_measure_is_there() -> None:
    now = clock.now()
    store, made = place(50, 45, measured=now - 5), image(20)
    store.calm_mb, store.calm = 10, now - 10
    assert room.left(store, [made]) == 25


def test_an_image_that_was_disabled_for_a_time_is_not_new() -> None:
    store, made = place(100, 60, measured=clock.now() + 1), image(25)
    made.source = "/ds/1/data"
    for state in (ImageState.READY, ImageState.DISABLED, ImageState.READY):
        made.move_to(state)
    assert room.left(store, [made]) == 60


def test_disks_that_are_files_of_the_vm_take_room_in_its_system_datastore() -> None:
    sizes = {
        "volatile": {"TYPE": "FS", "SIZE": "1"},
        "a copy": {"SOURCE": "/ds/1/a", "SIZE": "2", "CLONE": "YES"},
        "a copy beside the image": {"SOURCE": "/ds/1/a", "SIZE": "4", "CLONE_TARGET": "SELF"},
        "the image itself": {"SOURCE": "/ds/1/a", "SIZE": "8", "CLONE": "NO", "LN_TARGET": "NONE"},
        "a persistent image that is copied": {"SOURCE": "/ds/1/a", "SIZE": "16", "CLONE": "NO", "LN_TARGET": "SYSTEM"},
        "without a size": {"SOURCE": "/ds/1/a"},
    }
    assert on_system(Template(("DISK", disk) for disk in sizes.values())) == 1 + 2 + 16


def test_no_bound_is_known_while_one_datastore_is_unknown() -> None:
    assert largest([place(100, 1, 0), place(0, 0, 0)]) is None
    assert largest([place(100, 1, 0), place(900, 1, 0, limit="300")]) == 300
    assert largest([]) is None


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 100) | st.none())))
def test_a_tally_is_the_sum_of_what_is_in_it(steps: list[tuple[int, int | None]]) -> None:
    tally, model = Tally(), dict[int, int]()
    for oid, amount in steps:
        if amount is None:
            tally.drop(oid)
            model.pop(oid, None)
        else:
            tally.put(oid, amount)
            model[oid] = amount
    assert (tally.total, set(tally)) == (sum(model.values()), set(model))
