"""onegroup, oneacl and oneacct against a daemon on the wire."""

import time
from collections.abc import Iterator

import pytest
from fakes_rpc import FakeCloud

from oned.cli import oneacct, oneacl, onegroup, oneuser

Capture = pytest.CaptureFixture[str]
STAFF = (
    "<GROUP><ID>100</ID><NAME>staff</NAME><TEMPLATE><COST>3</COST></TEMPLATE><USERS><ID>2</ID><ID>3</ID></USERS>"
    "<ADMINS><ID>2</ID></ADMINS></GROUP>"
)
USERS_GROUP = "<GROUP><ID>1</ID><NAME>users</NAME><TEMPLATE/><USERS/><ADMINS/></GROUP>"
RULES = (
    "<ACL_POOL><ACL><ID>0</ID><STRING>@1 VM+NET/* CREATE #0</STRING></ACL>"
    "<ACL><ID>7</ID><STRING>#2 ACL+HOST/%100 USE+MANAGE+ADMIN *</STRING></ACL></ACL_POOL>"
)


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeCloud]:
    """Users 0 oneadmin and 2 ada, groups 1 users and 100 staff, two rules."""
    with FakeCloud() as cloud:
        monkeypatch.setenv("ONE_XMLRPC", cloud.endpoint)
        monkeypatch.setenv("TZ", "UTC")
        time.tzset()
        for name in ("delete", "update", "rename", "addadmin", "deladmin", "quota"):
            cloud.methods[f"one.group.{name}"] = lambda group, *_rest: group
        for name in ("addgroup", "delgroup", "update"):
            cloud.methods[f"one.user.{name}"] = lambda user, *_rest: user
        cloud.methods["one.group.allocate"] = lambda *_arguments: 101
        cloud.methods["one.group.info"] = lambda group: USERS_GROUP if group == 1 else STAFF
        cloud.methods["one.grouppool.info"] = lambda: f"<GROUP_POOL>{STAFF}{USERS_GROUP}</GROUP_POOL>"
        cloud.methods["one.clusterpool.info"] = lambda: (
            "<CLUSTER_POOL><CLUSTER><ID>100</ID><NAME>rack</NAME></CLUSTER></CLUSTER_POOL>"
        )
        cloud.methods["one.acl.info"] = lambda: RULES
        cloud.methods["one.acl.addrule"] = lambda *_arguments: 8
        cloud.methods["one.acl.delrule"] = lambda rule: rule
        yield cloud


def group(*words: str) -> int:
    return onegroup.main([*words, "--user", "oneadmin", "--password", "secret"])


def acl(*words: str) -> int:
    return oneacl.main([*words, "--user", "oneadmin", "--password", "secret"])


def acct(*words: str) -> int:
    return oneacct.main([*words, "--user", "oneadmin", "--password", "secret"])


def test_groups_are_listed_with_their_members_and_quotas(cloud: FakeCloud, capsys: Capture) -> None:
    quotas = "<QUOTAS><ID>100</ID><VM_QUOTA><VM><VMS>5</VMS><VMS_USED>2</VMS_USED></VM></VM_QUOTA></QUOTAS>"
    cloud.methods["one.grouppool.info"] = lambda: f"<GROUP_POOL>{STAFF}{quotas}{USERS_GROUP}</GROUP_POOL>"
    assert group("list", "--csv", "-l", "ID,NAME,USERS,ADMINS,VMS") == 0
    assert capsys.readouterr().out == "ID,NAME,USERS,ADMINS,VMS\n100,staff,2,1,2 / 5\n1,users,0,0,-\n"


def test_show_names_the_members_and_the_admins(cloud: FakeCloud, capsys: Capture) -> None:
    assert group("show", "staff") == 0
    shown = capsys.readouterr().out
    assert "GROUP 100 INFORMATION" in shown
    assert "2                   : ada, admin" in shown
    assert "COST" in shown
    assert group("show") == 0
    assert cloud.called("one.group.info")[-1] == (-1,)


def test_a_new_group_may_create_by_a_rule_and_gets_its_admins(cloud: FakeCloud, capsys: Capture) -> None:
    assert group("create", "web", "--admin", "ada") == 0
    assert capsys.readouterr().out == "ID: 101\n"
    assert cloud.called("one.acl.addrule") == [("200000065", "429400000000", "8", "100000000")]
    assert cloud.called("one.user.addgroup") == []
    assert cloud.called("one.group.addadmin") == [(101, 2)]


def test_a_group_without_resources_has_no_rule_and_a_wrong_type_makes_no_group(
    cloud: FakeCloud, capsys: Capture
) -> None:
    assert group("create", "web", "--resources", "-") == 0
    assert cloud.called("one.acl.addrule") == []
    assert group("create", "other", "--resources", "CAR") == 255
    assert "CAR is no type" in capsys.readouterr().err
    assert len(cloud.called("one.group.allocate")) == 1


@pytest.mark.parametrize(("words", "call"), [
    (["delete", "staff"], ("one.group.delete", 100)), (["rename", "staff", "crew"], ("one.group.rename", 100, "crew")),
    (["addadmin", "staff", "ada"], ("one.group.addadmin", 100, 2)),
    (["deladmin", "100", "2"], ("one.group.deladmin", 100, 2)),
    (["adduser", "staff", "ada"], ("one.user.addgroup", 2, 100)),
    (["deluser", "staff", "ada"], ("one.user.delgroup", 2, 100)),
])  # fmt: skip
def test_a_command_is_a_call(cloud: FakeCloud, words: list[str], call: tuple[object, ...]) -> None:
    assert group(*words) == 0
    assert cloud.called(str(call[0])) == [call[1:]]


def test_dry_run_of_deleting_says_which_groups_stay(cloud: FakeCloud, capsys: Capture) -> None:
    assert group("delete", "1,100", "--dry-run") == 255
    told = capsys.readouterr().err
    assert "GROUP 1 cannot be deleted: groups below 100 are the engine's" in told
    assert "GROUP 100 cannot be deleted: it has members (2, 3)" in told
    assert cloud.called("one.group.delete") == []


def test_rules_are_listed_with_a_letter_per_type_and_right(cloud: FakeCloud, capsys: Capture) -> None:
    assert acl("list", "--csv") == 0
    assert capsys.readouterr().out.splitlines()[1:] == [
        "0,@1,V-N------------------,*,---c,#0", "7,#2,-H-----L-------------,%100,uma-,*",
    ]  # fmt: skip
    assert acl("list", "--csv", "-l", "RULE") == 0
    assert "@1 VM+NET/* CREATE #0" in capsys.readouterr().out


@pytest.mark.parametrize("words", [["@staff", "VM+NET/#5", "use+manage"], ["@100 VM+NET/#5 USE+MANAGE #0"]])
def test_a_rule_is_made_of_words_or_one_string(cloud: FakeCloud, words: list[str], capsys: Capture) -> None:
    assert acl("create", *words) == 0
    assert capsys.readouterr().out == "ID: 8\n"
    assert cloud.called("one.acl.addrule") == [("200000064", "5100000005", "3", "100000000")]


def test_users_and_clusters_may_be_named_in_a_rule(cloud: FakeCloud) -> None:
    assert acl("create", "#ada", "HOST/%rack", "MANAGE", "*") == 0
    assert cloud.called("one.acl.addrule") == [("100000002", "2800000064", "2", "400000000")]


@pytest.mark.parametrize(("words", "why"), [
    (["@1", "VM", "USE"], "a slash"), (["1", "VM/*", "USE"], "none of #id"), (["@1", "VM/*", "EAT"], "no right"),
    (["@1", "VM/#web", "USE"], "no id"), (["@nobody", "VM/*", "USE"], "GROUP named nobody not found"),
    (["@1"], "three or four words"),
])  # fmt: skip
def test_a_malformed_rule_is_explained_and_not_sent(
    cloud: FakeCloud, words: list[str], why: str, capsys: Capture
) -> None:
    assert acl("create", *words) == 255
    assert why in capsys.readouterr().err
    assert cloud.called("one.acl.addrule") == []


def test_rules_are_deleted_by_number(cloud: FakeCloud) -> None:
    assert acl("delete", "0,7") == 0
    assert cloud.called("one.acl.delrule") == [(0,), (7,)]


def stay(vm: int, owner: str, host: str, begun: int, ended: int, cpu: float = 1) -> str:
    template = f"<TEMPLATE><CPU>{cpu}</CPU><MEMORY>2048</MEMORY></TEMPLATE>"
    machine = f"<VM><ID>{vm}</ID><UNAME>{owner}</UNAME><GID>{vm % 2}</GID><GNAME>users</GNAME>{template}</VM>"
    return (
        f"<HISTORY><OID>{vm}</OID><SEQ>0</SEQ><HOSTNAME>{host}</HOSTNAME><HID>{len(host)}</HID><STIME>{begun}</STIME>"
        f"<ETIME>{ended}</ETIME><ACTION>27</ACTION><REASON>3</REASON>{machine}</HISTORY>"
    )


@pytest.fixture
def stays(cloud: FakeCloud) -> FakeCloud:
    """Stays of an hour and of two, of two users on two hosts."""
    records = (
        stay(1, "ada", "alpha", 3600, 7200) + stay(2, "bob", "beta", 3600, 10800, 2) + stay(3, "ada", "beta", 0, 3600)
    )
    cloud.methods["one.vmpool.accounting"] = lambda *_arguments: f"<HISTORY_RECORDS>{records}</HISTORY_RECORDS>"
    return cloud


def test_without_a_command_stays_are_listed(stays: FakeCloud, capsys: Capture) -> None:
    assert acct("--csv", "-l", "VID,HOSTNAME,ACTION,REASON,START_TIME,END_TIME,MEMORY,CPU") == 0
    assert stays.called("one.vmpool.accounting") == [(-2, -1, -1)]
    assert capsys.readouterr().out.splitlines()[1] == "1,alpha,terminate,user,01/01 01:00:00,01/01 02:00:00,2G,1"


def test_times_and_users_are_asked_of_the_daemon_groups_and_hosts_chosen_here(
    stays: FakeCloud, capsys: Capture
) -> None:
    stays.methods["one.hostpool.info"] = lambda: "<HOST_POOL><HOST><ID>5</ID><NAME>alpha</NAME></HOST></HOST_POOL>"
    assert acct("-s", "1970-01-01", "-e", "1970/01/01 03:00", "-u", "ada", "-H", "alpha", "--csv", "-l", "VID") == 0
    assert stays.called("one.vmpool.accounting") == [(2, 0, 10800)]
    assert capsys.readouterr().out == "VID\n1\n"
    assert acct("-g", "users", "--csv", "-l", "VID") == 0
    assert capsys.readouterr().out == "VID\n1\n3\n"
    assert acct("-s", "yesterday") == 255
    assert "is no time such as" in capsys.readouterr().err


def test_hours_are_added_up_by_what_is_asked_for(stays: FakeCloud, capsys: Capture) -> None:
    assert acct("sum", "--csv") == 0
    assert capsys.readouterr().out.splitlines() == [
        "USER,HOURS,CPU_HOURS,GIB_HOURS", "ada,2.00,2.00,4.00", "bob,2.00,4.00,4.00"
    ]  # fmt: skip
    assert acct("sum", "--by", "host", "-s", "5400", "-e", "9000", "--csv", "-l", "HOST,HOURS") == 0
    assert capsys.readouterr().out.splitlines()[1:] == ["alpha,0.50", "beta,1.00"]
    assert acct("sum", "--by", "colour") == 255


def test_a_umask_is_an_attribute_of_the_user(cloud: FakeCloud, capsys: Capture) -> None:
    assert oneuser.main(["umask", "ada", "137", "--user", "oneadmin", "--password", "secret"]) == 0
    assert cloud.called("one.user.update") == [(2, "UMASK = 137", 1)]
    assert oneuser.main(["umask", "ada", "9", "--user", "oneadmin", "--password", "secret"]) == 255
    assert "three octal digits" in capsys.readouterr().err
