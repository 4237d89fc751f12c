"""oneimage and onedatastore against a daemon on the wire."""

import json
from pathlib import Path

import pytest
from fakes_rpc import FakeCloud

from oned.cli import onedatastore, oneimage
from oned.template.parse import parse

Capture = pytest.CaptureFixture[str]
BITS = "<PERMISSIONS><OWNER_U>1</OWNER_U><OWNER_M>1</OWNER_M></PERMISSIONS>"


def image(oid: int, name: str, state: int = 1, vms: str = "", error: str = "") -> str:
    return (
        f"<IMAGE><ID>{oid}</ID><UID>2</UID><GID>1</GID><UNAME>ada</UNAME><GNAME>users</GNAME><NAME>{name}</NAME>{BITS}"
        f"<TYPE>0</TYPE><DISK_TYPE>0</DISK_TYPE><PERSISTENT>1</PERSISTENT><REGTIME>1700000000</REGTIME>"
        f"<SOURCE>/ds/1/{oid}</SOURCE><PATH/><FORMAT>raw</FORMAT><SIZE>2048</SIZE><STATE>{state}</STATE>"
        f"<RUNNING_VMS>1</RUNNING_VMS><CLONING_ID>-1</CLONING_ID><DATASTORE_ID>1</DATASTORE_ID>"
        f"<DATASTORE>default</DATASTORE><VMS>{vms}</VMS><TEMPLATE><A>b</A>"
        f"{f'<ERROR>{error}</ERROR>' if error else ''}</TEMPLATE></IMAGE>"
    )


DATASTORE = (
    f"<DATASTORE><ID>1</ID><UNAME>oneadmin</UNAME><GNAME>oneadmin</GNAME><NAME>default</NAME>{BITS}<DS_MAD>fs</DS_MAD>"
    "<TM_MAD>shared</TM_MAD><BASE_PATH>/ds/1</BASE_PATH><TYPE>0</TYPE><STATE>0</STATE><CLUSTERS><ID>0</ID></CLUSTERS>"
    "<TOTAL_MB>2048</TOTAL_MB><FREE_MB>512</FREE_MB><USED_MB>1536</USED_MB><IMAGES><ID>7</ID></IMAGES>"
    "<TEMPLATE><A>b</A></TEMPLATE></DATASTORE>"
)


class Sent:
    """What was sent, and what the pool of images answers: one answer after another, the last one for good."""

    def __init__(self, cloud: FakeCloud) -> None:
        self.calls: list[tuple[object, ...]] = []
        self.pools = [[image(7, "web", vms="<ID>3</ID>"), image(8, "db")]]
        self._cloud = cloud
        cloud.methods["one.imagepool.info"] = lambda *_filter: f"<IMAGE_POOL>{''.join(self._pool())}</IMAGE_POOL>"
        cloud.methods["one.image.info"] = lambda oid: next(
            text for text in self.pools[0] if f"<ID>{oid}</ID><UID" in text
        )
        cloud.methods["one.datastorepool.info"] = lambda: f"<DATASTORE_POOL>{DATASTORE}</DATASTORE_POOL>"
        cloud.methods["one.datastore.info"] = lambda _oid: DATASTORE
        for space, names in (
            (
                "image",
                "allocate clone delete enable persistent chtype publish chown chmod rename update rmattr lock unlock",
            ),
            ("datastore", "allocate delete enable chown chmod rename update"),
        ):
            for name in names.split():
                self._enter(f"one.{space}.{name}")

    def _enter(self, method: str) -> None:
        def call(*arguments: object) -> int:
            self.calls.append((method.removeprefix("one."), *arguments))
            return 9

        self._cloud.methods[method] = call

    def _pool(self) -> list[str]:
        return self.pools.pop(0) if len(self.pools) > 1 else self.pools[0]

    def template(self) -> dict[str, object]:
        """The attributes of the first template that was sent."""
        return dict(parse(str(self.calls[0][1])))


@pytest.fixture
def sent(cloud: FakeCloud) -> Sent:
    return Sent(cloud)


def test_the_list_has_the_words_of_the_field(sent: Sent, capsys: Capture) -> None:
    assert oneimage.main(["list", "--csv"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "ID,USER,GROUP,NAME,DATASTORE,SIZE,TYPE,PER,STAT,RVMS"
    assert lines[1] == "7,ada,users,web,default,2G,OS,Yes,rdy,1"


def test_an_image_is_registered_by_options(sent: Sent, capsys: Capture) -> None:
    words = ["create", "--name", "new", "--path", "http://h/x", "--type", "CDROM", "--prefix", "sd", "-d", "default"]
    assert oneimage.main([*words, "--md5", "0" * 32, "--persistent"]) == 0
    assert capsys.readouterr().out == "ID: 9\n"
    assert sent.template() == {
        "NAME": "new", "PATH": "http://h/x", "TYPE": "CDROM", "DEV_PREFIX": "sd", "MD5": "0" * 32, "PERSISTENT": "YES",
    }  # fmt: skip
    assert sent.calls[0][2:] == (1, False)


def test_options_complete_a_template(sent: Sent, tmp_path: Path) -> None:
    file = tmp_path / "image.one"
    file.write_text("NAME = old\nTYPE = DATABLOCK\n")
    assert oneimage.main(["create", str(file), "--name", "new", "--size", "2G", "--fs", "ext4"]) == 0
    assert sent.template() == {"NAME": "new", "TYPE": "DATABLOCK", "SIZE": "2048", "FS": "ext4"}


def test_nothing_is_no_image(sent: Sent, capsys: Capture) -> None:
    assert oneimage.main(["create"]) == 255
    assert "name a template file, or options" in capsys.readouterr().err
    assert sent.calls == []


def test_attributes_are_set_and_removed_as_2_x_did(sent: Sent, tmp_path: Path) -> None:
    file = tmp_path / "image.one"
    file.write_text("A = b\n")
    for words in (
        "update web DESCRIPTION text", "addattr 7 DESCRIPTION text", "rmattr web DESCRIPTION", f"update 7 {file} -a",
    ):  # fmt: skip
        assert oneimage.main(words.split()) == 0
    assert sent.calls == [
        ("image.update", 7, "DESCRIPTION", "text"), ("image.update", 7, "DESCRIPTION", "text"),
        ("image.rmattr", 7, "DESCRIPTION"), ("image.update", 7, "A = b\n", 1),
    ]  # fmt: skip


def test_waiting_ends_when_the_driver_is_done(sent: Sent) -> None:
    sent.pools = [[image(9, "new", 4)], [image(9, "new", 4)], [image(9, "new", 1)]]
    assert oneimage.main(["create", "--name", "new", "--path", "/a", "--wait", "--timeout", "20"]) == 0
    assert len(sent.pools) == 1


def test_waiting_tells_why_it_failed(sent: Sent, capsys: Capture) -> None:
    sent.pools = [[image(9, "new", 5, error="no space left")]]
    assert oneimage.main(["create", "--name", "new", "--path", "/a", "--wait"]) == 255
    assert capsys.readouterr().err == "IMAGE 9 failed. no space left\n"


def test_waiting_gives_up_in_time(sent: Sent, capsys: Capture) -> None:
    sent.pools = [[image(9, "new", 4)]]
    assert oneimage.main(["create", "--name", "new", "--path", "/a", "--wait", "--timeout", "0"]) == 255
    assert "IMAGE 9 is still LOCKED after 0 s." in capsys.readouterr().err


def test_a_delete_is_waited_for_until_the_image_is_gone(sent: Sent) -> None:
    sent.pools = [[image(7, "web"), image(8, "db")], [image(8, "db", 7)], [image(7, "web")]]
    assert oneimage.main(["delete", "db", "--wait", "--force"]) == 0
    assert sent.calls == [("image.delete", 8, True)]


def test_a_dry_run_tells_what_is_in_use(sent: Sent, capsys: Capture) -> None:
    assert oneimage.main(["delete", "web", "--dry-run"]) == 255
    assert "IMAGE 7 cannot be deleted: VMs use it (3)" in capsys.readouterr().err
    assert sent.calls == []


@pytest.mark.parametrize(
    ("words", "call"),
    [
        ("clone web copy", ("image.clone", 7, "copy", -1)),
        ("clone web copy -d default", ("image.clone", 7, "copy", 1)),
        ("enable web", ("image.enable", 7, True)),
        ("disable web", ("image.enable", 7, False)),
        ("persistent web", ("image.persistent", 7, True)),
        ("nonpersistent web", ("image.persistent", 7, False)),
        ("chtype web DATABLOCK", ("image.chtype", 7, "DATABLOCK")),
        ("publish web", ("image.publish", 7, True)),
        ("unpublish web", ("image.publish", 7, False)),
        ("rename web new", ("image.rename", 7, "new")),
        ("lock web", ("image.lock", 7, 1)),
        ("unlock web", ("image.unlock", 7)),
        ("chmod web 640", ("image.chmod", 7, 1, 1, 0, 1, 0, 0, 0, 0, 0)),
    ],
)
def test_a_command_is_one_call(sent: Sent, words: str, call: tuple[object, ...]) -> None:
    assert oneimage.main(words.split()) == 0
    assert sent.calls == [call]


def test_an_image_is_shown_in_sections_and_as_json(sent: Sent, capsys: Capture) -> None:
    assert oneimage.main(["show", "web"]) == 0
    shown = capsys.readouterr().out
    for text in (
        "IMAGE 7 INFORMATION",
        "DISK TYPE           : FILE",
        "SIZE                : 2G",
        'A="b"',
        "IDS                 : 3",
    ):
        assert text in shown
    assert oneimage.main(["show", "web", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["IMAGE"]["NAME"] == "web"


def test_datastores_are_listed_with_what_is_left(sent: Sent, capsys: Capture) -> None:
    assert onedatastore.main(["list", "--csv"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "ID,NAME,SIZE,AVAIL,CLUSTERS,IMAGES,TYPE,DS,TM,STAT"
    assert lines[1] == "1,default,2G,25%,0,1,img,fs,shared,on"


def test_a_datastore_is_made_by_options(sent: Sent) -> None:
    words = ["create", "--name", "fast", "--ds", "fs", "--tm", "shared", "--type", "image", "--attribute", "LIMIT_MB=9"]
    assert onedatastore.main(words) == 0
    assert sent.template() == {
        "NAME": "fast", "DS_MAD": "fs", "TM_MAD": "shared", "TYPE": "IMAGE_DS", "LIMIT_MB": "9",
    }  # fmt: skip
    assert onedatastore.main(["create"]) == 255
    assert onedatastore.main(["create", "--attribute", "nonsense"]) == 255


@pytest.mark.parametrize(
    ("words", "call"),
    [
        ("enable default", ("datastore.enable", 1, True)),
        ("disable default", ("datastore.enable", 1, False)),
        ("rename default new", ("datastore.rename", 1, "new")),
        ("delete default", ("datastore.delete", 1)),
    ],
)
def test_a_datastore_command_is_one_call(sent: Sent, words: str, call: tuple[object, ...]) -> None:
    assert onedatastore.main(words.split()) == 0
    assert sent.calls == [call]


def test_a_datastore_is_shown_in_sections(sent: Sent, capsys: Capture) -> None:
    assert onedatastore.main(["show", "default"]) == 0
    shown = capsys.readouterr().out
    for text in ("DATASTORE 1 INFORMATION", "FREE                : 512M", 'A="b"', "IDS                 : 7"):
        assert text in shown
    assert onedatastore.main(["delete", "default", "--dry-run"]) == 255
