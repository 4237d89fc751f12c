"""The tree of a disk's snapshots: whatever is done to it, each file that something lies on is there."""

from hypothesis import given
from hypothesis import strategies as some

from oned.vm.snapshots import NONE, Tree, content, file_of


@given(some.lists(some.tuples(some.sampled_from(["create", "revert", "delete", "fail"]), some.integers(0, 9))))
def test_nothing_that_a_snapshot_or_the_disk_lies_on_is_ever_missing(steps: list[tuple[str, int]]) -> None:
    tree = Tree(0)
    for what, number in steps:
        known = [one.id for one in tree.snapshots]
        if what in ("create", "fail"):
            assert tree.begin("", 1, 10).id == tree.next
            tree.made() if what == "create" else tree.drop(tree.pending)
        elif what == "revert" and number in known:
            tree.base = number
        elif what == "delete" and number in known and number != tree.base and not tree.children(number):
            tree.drop(number)
        left = {one.id for one in tree.snapshots}
        assert {one.parent for one in tree.snapshots} | {tree.base} <= left | {NONE}
        assert all(number < tree.next for number in left), "the file that the guest works on is no snapshot's"
        assert tree.total == 10 * len(left)
    assert Tree.restored(tree.plain()) == tree


def test_the_files_of_a_disk() -> None:
    assert [file_of(2, number) for number in (0, 1)] == ["disk.2", "disk.2.snap/1"]
    assert (content([], 0), content([Tree(0, next=4)], 0), content([Tree(0, next=4)], 1)) == (
        "disk.0",
        "disk.0.snap/4",
        "disk.1",
    )
