"""GET /events: who watches hears at once what he may see, goes on where he was, and is told what he missed."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.daemon.process import ADMIN, Daemon, Scripted, until
from tests.daemon.watching import Reader, get


def now(daemon: Daemon) -> int:
    return daemon.events(-1).int("LAST")


def test_the_commands_show_a_line_for_each_change(scripted: Scripted) -> None:
    pytest.importorskip("prometheus_client")
    host, vm = scripted.monitored("alpha"), scripted.allocate()
    vms, hosts = watching(scripted, "onevm", str(vm), "--json"), watching(scripted, "onehost")
    until(lambda: readers(scripted) == 2, "both commands to read")
    scripted.one.vm.action("hold", vm)
    scripted.one.host.status(host, 1)
    assert vms.stdout
    assert hosts.stdout
    told = json.loads(vms.stdout.readline())
    assert (told["oid"], told["old"], told["new"]) == (vm, "PENDING", "HOLD")
    assert hosts.stdout.readline()[8:] == f"  HOST {host}  MONITORED -> DISABLED\n"
    for command in (vms, hosts):
        command.terminate()
        command.communicate()
    for action, status in (("release", 0), ("hold", 1), ("release", 0)):  # who has gone is noticed when he is told
        scripted.one.vm.action(action, vm)
        scripted.one.host.status(host, status)
    until(lambda: readers(scripted) == 0, "the end of the readers")


def test_each_event_is_a_line_of_json_as_it_happens(scripted: Scripted) -> None:
    with Reader(scripted) as reader:
        assert reader.answer.getheader("content-type") == "application/x-ndjson"
        vm = scripted.allocate()
        event = reader.event()
        assert (event["kind"], event["oid"], event["what"], event["old"], event["new"]) == (
            "VM", vm, "state", "", "PENDING",
        )  # fmt: skip
        assert abs(event["time"] - time.time()) < 60
        assert event["id"] == now(scripted)
    assert scripted.check() == []


def test_server_sent_events_have_their_number_as_id(scripted: Scripted) -> None:
    with Reader(scripted, Accept="text/event-stream") as reader:
        assert reader.answer.getheader("content-type") == "text/event-stream"
        assert reader.line() == ":"
        vm = scripted.allocate()
        number = reader.line()
        kind, _, text = reader.line().partition(": ")
        assert number == f"id: {now(scripted)}"
        assert (kind, json.loads(text)["oid"]) == ("data", vm)


def test_who_comes_back_goes_on_behind_the_last_event_he_knows(scripted: Scripted) -> None:
    last = now(scripted)
    first, second = scripted.allocate(), scripted.allocate()
    with Reader(scripted, Last_Event_ID=str(last)) as reader:
        assert [reader.event()["oid"], reader.event()["oid"]] == [first, second]
    with Reader(scripted, f"?after={last + 1}") as reader:
        assert reader.event()["oid"] == second


def test_a_number_of_another_engine_is_told_and_it_goes_on_with_now(scripted: Scripted) -> None:
    with Reader(scripted, Last_Event_ID=str(now(scripted) + 1_000_000)) as reader:
        assert "of another engine" in reader.event()["lost"]
        vm = scripted.allocate()
        assert reader.event()["oid"] == vm


def test_events_from_before_a_restart_are_told_to_be_lost(root: Path) -> None:
    with Scripted(root, "HOST_MONITORING_INTERVAL = 3600\n") as daemon:
        scripted_last = now(daemon)
        daemon.allocate()
        daemon.stop()
        daemon.restart()
        with Reader(daemon, Last_Event_ID=str(scripted_last)) as reader:
            assert "Read the objects anew" in reader.event()["lost"]
            vm = daemon.allocate()
            assert reader.event()["oid"] == vm


def test_only_the_named_kinds_and_objects_are_told(scripted: Scripted) -> None:
    host, other, wanted = scripted.monitored("alpha"), scripted.allocate(), scripted.allocate()
    with Reader(scripted, f"?kind=vm&id={wanted},{host}") as reader:
        scripted.one.vm.action("hold", other)
        scripted.one.host.status(host, 1)
        scripted.one.vm.action("hold", wanted)
        assert reader.event()["oid"] == wanted
    scripted.one.host.status(host, 0)


def test_one_hears_of_what_one_may_see_only(scripted: Scripted) -> None:
    scripted.one.user.allocate("reader", "secret", "core")
    with Reader(scripted, session="reader:secret") as reader:
        scripted.allocate()
        mine = scripted.client("reader:secret").number("one.vm.allocate", "CPU = 1\nMEMORY = 64")
        assert reader.event()["oid"] == mine


@pytest.mark.parametrize(
    ("path", "session", "status", "word"),
    [
        ("/events", "", 401, "Basic authentication"),
        ("/events", "oneadmin:wrong", 401, "password or token is wrong"),
        ("/events?kind=CAR", ADMIN, 400, "There is no kind CAR"),
        ("/events?id=web", ADMIN, 400, "takes numbers"),
        ("/events?after=x", ADMIN, 400, "no number of an event"),
        ("/nowhere", ADMIN, 404, "/events"),
    ],
)
def test_what_cannot_be_read_is_refused_in_a_sentence(
    scripted: Scripted, path: str, session: str, status: int, word: str
) -> None:
    found, text = get(scripted, path, session)
    assert (found, word in text) == (status, True)


def test_a_reader_whose_password_is_changed_hears_no_more(scripted: Scripted) -> None:
    user = scripted.admin.number("one.user.allocate", "leaver", "secret", "core")
    with Reader(scripted, session="leaver:secret") as reader:
        scripted.one.user.passwd(user, "another")
        scripted.allocate()
        assert "You may read no more" in reader.event()["end"]
        assert reader.answer.read() == b""


def test_a_token_is_enough_and_its_end_ends_the_stream(scripted: Scripted) -> None:
    scripted.one.user.allocate("holder", "secret", "core")
    own = scripted.client("holder:secret")
    token = own.text("one.user.login", "holder", "", 60, -1)
    with Reader(scripted, session=f"holder:{token}") as reader:
        vm = own.number("one.vm.allocate", "CPU = 1\nMEMORY = 64")
        assert reader.event()["oid"] == vm
        own.call("one.user.login", "holder", token, 0, -1)
        scripted.allocate()
        assert "You may read no more" in reader.event()["end"]


def test_the_end_of_the_engine_is_told(root: Path) -> None:
    with Scripted(root, "") as daemon, Reader(daemon) as reader:
        daemon.stop()
        events = iter(reader.event, None)
        assert next(event for event in events if event and "end" in event) == {"end": "The engine stops."}


def watching(daemon: Daemon, program: str, *words: str) -> "subprocess.Popen[str]":
    command = [str(Path(sys.executable).with_name(program)), "watch", *words]
    environment = {**daemon.environment, "ONE_XMLRPC": daemon.endpoint}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def readers(daemon: Daemon) -> int:
    text = get(daemon, "/metrics", ADMIN)[1]
    return int(float(text.split("\noned_watchers ")[1].split("\n")[0]))


def test_a_command_says_why_it_may_not_watch(scripted: Scripted) -> None:
    scripted.one.user.allocate("nobody", "secret", "core")
    (scripted.root / "wrong").write_text("nobody:wrong\n")
    command = [str(Path(sys.executable).with_name("onevm")), "watch"]
    environment = {**scripted.environment, "ONE_XMLRPC": scripted.endpoint, "ONE_AUTH": str(scripted.root / "wrong")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, "password or token is wrong" in done.stderr) == (255, True)
