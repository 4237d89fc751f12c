"""Images as older clients ask for them, and what images do not have."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from oned.client.documents import parse
from tests.daemon.conftest import QUIET
from tests.daemon.process import Scripted, refusal
from tests.daemon.stores import Store


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with Scripted(tmp_path_factory.mktemp("images"), QUIET) as daemon:
        yield Store(daemon)
        assert daemon.check() == []


def test_the_forms_of_2_x_are_served(store: Store) -> None:
    image = store.daemon.admin.number("one.image.allocate", "NAME = old\nSOURCE = /srv/old\nPUBLIC = YES")
    store.one.image.update(image, "DESCRIPTION", "an old one")
    assert store.info(image).text("TEMPLATE/DESCRIPTION") == "an old one"
    store.one.image.rmattr(image, "DESCRIPTION")
    assert store.info(image).first("TEMPLATE/DESCRIPTION") is None
    store.one.image.publish(image, True)
    assert store.info(image).int("PUBLIC") == 1
    assert f"<ID>{image}</ID>" in store.daemon.admin.text("one.imagepool.info", -2)
    store.daemon.admin.number("one.user.allocate", "old", "secret", "core")
    user = store.daemon.client("old:secret")
    assert f"<ID>{image}</ID>" in user.text("one.imagepool.info", -1)
    assert f"<ID>{image}</ID>" not in user.text("one.imagepool.info", -3, -1, -1)
    store.one.image.publish(image, False)
    assert f"<ID>{image}</ID>" not in user.text("one.imagepool.info", -1)
    store.one.image.update(image, "A = b")
    store.one.image.update(image, "C = d", 1)
    assert [child.name for child in store.info(image).first("TEMPLATE") or ()] == ["A", "C"]


def test_the_command_sets_and_removes_attributes_as_2_x_did(store: Store) -> None:
    image, daemon = store.ready(), store.daemon
    environment = {**daemon.environment, "ONE_XMLRPC": daemon.endpoint}

    def oneimage(*words: str) -> None:
        command = [Path(sys.executable).with_name("oneimage"), *words]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    before = store.info(image).text("TEMPLATE/DEV_PREFIX")
    oneimage("addattr", str(image), "DESCRIPTION", "an old one")
    oneimage("update", str(image), "COMMENT", 'of "2.x"')
    template = store.info(image).first("TEMPLATE")
    assert template is not None
    assert (template.text("DESCRIPTION"), template.text("COMMENT")) == ("an old one", 'of "2.x"')
    assert template.text("DEV_PREFIX") == before
    oneimage("rmattr", str(image), "DESCRIPTION")
    assert store.info(image).first("TEMPLATE/DESCRIPTION") is None
    assert store.info(image).text("TEMPLATE/COMMENT") == 'of "2.x"'


def test_an_image_is_no_backup_that_could_be_restored(store: Store) -> None:
    image = store.ready()
    for arguments in ((image, 1, ""), (image,)):
        text, code = refusal(store.one.image.restore, *arguments)
        assert f"Could not restore image {image}: it is no backup, and nothing here makes backups. " in text
        assert (f"oneimage clone {image} NAME" in text, code) == (True, 0x0800)


def test_the_pool_of_2_x_has_usernames(store: Store) -> None:
    store.ready()
    for arguments, has in (((-2,), True), ((-2, -1, -1), False), ((), False)):
        for image in parse(store.daemon.admin.text("one.imagepool.info", *arguments)).all("IMAGE"):
            names = [child.name for child in image]
            assert (names[1:3] == ["UID", "USERNAME"]) is has
            assert ("USERNAME" in names, image.text("USERNAME")) == (has, image.text("UNAME") if has else "")


@pytest.mark.parametrize("verb", ["snapshotdelete", "snapshotrevert", "snapshotflatten"])
def test_images_have_no_snapshots(store: Store, verb: str) -> None:
    image = store.ready()
    text, code = refusal(getattr(store.one.image, verb), image, 0)
    assert (f"snapshot 0 for image {image}, it does not exist" in text, code) == (True, 2048)
