"""Device names of disks: the rule of 3.4 and later."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oned.errors import InternalError
from oned.vm.targets import Prefixes, assign

HD = Prefixes("hd", "hd")
PREFIXES = st.sampled_from(["hd", "sd", "vd"])
DISKS = st.lists(
    st.fixed_dictionaries(
        {"TYPE": st.sampled_from(["FILE", "CDROM", "swap", "fs", "BLOCK"])},
        optional={"IMAGE_ID": st.just("1"), "DEV_PREFIX": PREFIXES},
    ),
    max_size=12,
)


def targets(disks: list[dict[str, str]], context: dict[str, str] | None = None, systems: set[int] | None = None,
            prefixes: Prefixes = HD) -> list[str]:  # fmt: skip
    """The names of the disks, that of the context last if there is one."""
    given_context = context if context is not None else {}
    assign(disks, given_context, prefixes, systems or set())
    found = [disk["TARGET"] for disk in disks]
    return [*found, given_context["TARGET"]] if given_context else found


def test_the_example_of_the_field_has_the_names_of_the_field() -> None:
    disks = [{"IMAGE_ID": "1"}, {"IMAGE_ID": "2", "TYPE": "CDROM"}, {"IMAGE_ID": "3"}, {"TYPE": "swap"}]
    assert targets(disks, {"A": "b"}, {0}) == ["hda", "hdc", "hdd", "hde", "hdb"]


def test_the_first_system_is_first_wherever_it_stands() -> None:
    disks = [{"IMAGE_ID": "1"}, {"IMAGE_ID": "2"}, {"IMAGE_ID": "3"}]
    assert targets(disks, None, {1, 2}) == ["hdb", "hda", "hdc"]


def test_a_file_without_an_image_is_a_system() -> None:
    assert targets([{"TYPE": "swap"}, {"SOURCE": "/a"}], {"A": "b"}) == ["hdc", "hda", "hdb"]


def test_letters_count_per_prefix() -> None:
    disks = [{"IMAGE_ID": "1", "DEV_PREFIX": "vd"}, {"IMAGE_ID": "2", "DEV_PREFIX": "sd"}, {"TYPE": "swap"}]
    assert targets(disks, {"A": "b"}, {0}, Prefixes("sd", "hd")) == ["vda", "sda", "sdb", "hda"]


def test_names_that_are_given_are_kept_free() -> None:
    disks = [{"IMAGE_ID": "1"}, {"IMAGE_ID": "2", "TARGET": "hda"}]
    assert targets(disks, {"TARGET": "hdb"}, {0}) == ["hdc", "hda", "hdb"]


@given(DISKS, st.booleans(), st.data())
def test_every_disk_gets_a_name_of_its_own_with_its_prefix(
    disks: list[dict[str, str]], has_context: bool, data: st.DataObject
) -> None:
    prefixes = Prefixes(data.draw(PREFIXES), data.draw(PREFIXES))
    systems = {place for place, disk in enumerate(disks) if "IMAGE_ID" in disk and data.draw(st.booleans())}
    names = targets(disks, {"A": "b"} if has_context else {}, systems, prefixes)
    assert len(set(names)) == len(names)
    for disk, name in zip(disks, names, strict=False):
        cd = disk["TYPE"] == "CDROM" and disk is not (disks[min(systems)] if systems else None)
        assert name[:-1] == disk.get("DEV_PREFIX", prefixes.cdrom if cd else prefixes.disk)
    if systems:
        first = disks[min(systems)]
        assert first["TARGET"].endswith("a")


@given(st.lists(st.sampled_from(["hda", "hdb", "hdc"]), min_size=2, max_size=4))
def test_a_name_given_twice_is_refused_and_others_are_not(names: list[str]) -> None:
    disks = [{"SOURCE": "/a", "TARGET": name} for name in names]
    if len(set(names)) == len(names):
        assert targets(disks) == names
    else:
        with pytest.raises(InternalError, match="Two disks have defined the same target hd"):
            targets(disks)


def test_there_are_no_names_after_z() -> None:
    disks = [{"TYPE": "swap"} for _ in string.ascii_lowercase]
    assert targets(disks)[-1] == "hdz"
    with pytest.raises(InternalError, match="No device name is left"):
        targets([{"TYPE": "swap"} for _ in range(27)])
