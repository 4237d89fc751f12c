"""CONTEXT from one.vm.allocate to the context.sh that the transfer driver is given."""

import base64
import subprocess
from pathlib import Path

import pytest

from oned.client.client import Client
from oned.client.documents import parse
from tests.daemon.process import SIMULATED, Daemon, Scripted, refusal, until

SIZE = "CPU = 1\nMEMORY = 64\n"
KEY = "ssh-ed25519 AAAA ann@home"


@pytest.fixture(scope="module")
def ann(cloud: Scripted) -> Client:
    number = cloud.admin.number("one.user.allocate", "ann", "secret")
    cloud.one.user.update(number, f'SSH_PUBLIC_KEY = "{KEY}"\nMAIL = "it\'s a \\"$NAME\\""')
    return cloud.client("ann:secret")


def context(daemon: Daemon, vm: int) -> dict[str, str]:
    """CONTEXT as the VM's document shows it."""
    shown = daemon.vm(vm).first("TEMPLATE/CONTEXT")
    assert shown
    return {item.name: item.content for item in shown}


def sourced(script: Path, *names: str) -> list[str]:
    """The values that a shell has after it has read context.sh."""
    shown = "".join(f'printf "%s\\0" "${name}"\n' for name in names)
    command = ["sh", "-u", "-c", f". {script}\n{shown}"]
    run = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env={"PATH": "/bin:/usr/bin"})
    return run.stdout.split("\0")[:-1]


def test_variables_stand_for_what_the_vm_its_owner_and_its_devices_have(cloud: Scripted, ann: Client) -> None:
    vm = ann.number(
        "one.vm.allocate",
        f"""{SIZE} NAME = web ROLE = "front end" DISK = [ TYPE = swap, SIZE = 7 ] DISK = [ TYPE = swap, SIZE = 8 ]
        NIC = [ IP = 10.0.0.5, COLOR = red ] NIC = [ IP = 10.0.1.5, COLOR = "Deep Blue" ]
        CONTEXT = [ HOSTNAME = "$NAME-$VMID", WHO = "$UNAME $UID $GNAME $GID", KEY = "$USER[SSH_PUBLIC_KEY]",
            IP = "$NIC[IP]", BLUE = "$NIC[IP, COLOR=\\"Deep Blue\\"]", SWAP = "$DISK[SIZE, DISK_ID=1]",
            ROLE = "$ROLE", ROOM = "$MEMORY/$cpu", NONE = "<$NOTHING$NIC[NOTHING]$USER[NOTHING]>",
            MAIL = "$USER[MAIL]", DOLLAR = "\\$HOME", CD = "$CONTEXT[DISK_ID]" ]
        SCHED_REQUIREMENTS = "ROLE = \\"$ROLE\\"" """,
    )
    uid = cloud.vm(vm).text("UID")
    assert context(cloud, vm) == {
        "BLUE": "10.0.1.5",
        "CD": "2",
        "DISK_ID": "2",
        "DOLLAR": "\\$HOME",
        "HOSTNAME": f"web-{vm}",
        "IP": "10.0.0.5",
        "KEY": KEY,
        "MAIL": 'it\'s a "$NAME"',
        "NONE": "<>",
        "ROLE": "front end",
        "ROOM": "64/1",
        "SWAP": "8",
        "TARGET": "hda",
        "WHO": f"ann {uid} users 1",
    }
    assert cloud.vm(vm).text("USER_TEMPLATE/SCHED_REQUIREMENTS") == 'ROLE = "front end"'


def test_a_vm_without_a_name_of_its_own_has_the_name_that_it_got(cloud: Scripted) -> None:
    vm = cloud.allocate('CONTEXT = [ SET_HOSTNAME = "$NAME" ]')
    assert context(cloud, vm)["SET_HOSTNAME"] == f"one-{vm}"


def test_the_template_of_the_vm_and_of_its_owner_come_as_base64(cloud: Scripted, ann: Client) -> None:
    vm = ann.number("one.vm.allocate", f'{SIZE} CONTEXT = [ ALL = "$TEMPLATE", OWNER = "$USER[TEMPLATE]" ]')
    found = context(cloud, vm)
    assert parse(base64.b64decode(found["ALL"]).decode()).int("ID") == vm
    owner = base64.b64decode(found["OWNER"]).decode()
    assert parse(owner).text("SSH_PUBLIC_KEY") == KEY
    assert "PASSWORD" not in owner


@pytest.mark.parametrize(("template", "text"), [
    ("CONTEXT = [ A = 1 ] CONTEXT = [ B = 2 ]", "Only one CONTEXT attribute can be defined. "),
    ("CONTEXT = [ A = 1 ] CONTEXT = two", "Wrong format for CONTEXT attribute. "),
    ("CONTEXT = one", "Wrong format for CONTEXT attribute. "),
    ("REQUIREMENTS = 1 REQUIREMENTS = 2", "Only one REQUIREMENTS attribute can be defined. "),
    ("SCHED_REQUIREMENTS = 1 SCHED_REQUIREMENTS = 2", "Only one SCHED_REQUIREMENTS attribute can be defined. "),
    ('CONTEXT = [ A = "$(id)" ]', 'Error parsing CONTEXT: A: a name is missing after "$" at character 1, "$(id)". '),
    ('CONTEXT = [ A = "$NIC[IP" ]', "Error parsing CONTEXT: A: the brackets hold neither "),
    ('REQUIREMENTS = "A = $"', 'Error parsing REQUIREMENTS: a name is missing after "$" at character 5, "$". '),
    ('CONTEXT = [ FILES = "init.sh" ]', "CONTEXT: FILES holds absolute paths and URLs"),
    ('CONTEXT = [ FILES = "/a/x /b/x" ]', "CONTEXT: two FILES would be called x on the disk. "),
    ('CONTEXT = [ FILES = "/a/context.sh" ]', "CONTEXT: two FILES would be called context.sh on the disk. "),
])  # fmt: skip
def test_a_context_that_cannot_be_made_refuses_the_vm(cloud: Scripted, template: str, text: str) -> None:
    before = cloud.allocate()
    told, code = refusal(cloud.one.vm.allocate, SIZE + template)
    assert (told.startswith(f"[one.vm.allocate] {text}"), code) == (True, 8192), told
    assert cloud.allocate() == before + 1, "no number is spent on what is refused"


def test_a_value_that_grows_too_long_is_refused(cloud: Scripted) -> None:
    template = f'{SIZE} BIG = "{"x" * 500_000}" CONTEXT = [ A = "{"$BIG " * 20}" ]'
    told, code = refusal(cloud.one.vm.allocate, template)
    assert ("CONTEXT: A: it is longer than 4 MiB with its variables" in told, code) == (True, 8192)
    assert "undone" not in cloud.log(), "nothing was begun"


def test_what_variables_bring_together_lists_as_xml(cloud: Scripted) -> None:
    vm = cloud.allocate('A = "]]" B = "<&" CONTEXT = [ X = "$A>$B" ]')
    assert context(cloud, vm)["X"] == "]]><&"


def test_the_network_variables_of_each_nic_are_there_even_if_they_are_empty(cloud: Scripted) -> None:
    vm = cloud.allocate("""
        NIC = [ IP = 10.0.0.5, MAC = "02:00:0a:00:00:05", GATEWAY = 10.0.0.1, MODEL = virtio ]
        NIC = [ IP = 10.0.1.5, IP6 = "2001:db8::5" ]
        CONTEXT = [ NETWORK = "yes", ETH1_IP = "192.0.2.7", ETH0_DNS = "$NIC[GATEWAY]" ]""")
    found = context(cloud, vm)
    for name, value in {"MAC": "02:00:0a:00:00:05", "IP": "10.0.0.5", "GATEWAY": "10.0.0.1", "DNS": "10.0.0.1"}.items():
        assert found[f"ETH0_{name}"] == value
    assert (found["ETH1_IP"], found["ETH1_IP6"]) == ("192.0.2.7", "2001:db8::5"), "what the user gave stays"
    for name in ("NETWORK", "MASK", "SEARCH_DOMAIN", "MTU", "IP6_GATEWAY"):
        assert found[f"ETH0_{name}"] == found[f"ETH1_{name}"] == ""
    assert "ETH2_IP" not in found
    assert "ETH0_IP" not in context(cloud, cloud.allocate("NIC = [ IP = 10.0.0.6 ] CONTEXT = [ NETWORK = no ]"))


@pytest.fixture(scope="module")
def nets(cloud: Scripted) -> dict[str, int]:
    """Networks red, with a range that has a gateway of its own, and blue, which ann may not use."""
    red = """NAME = red BRIDGE = br0 GATEWAY = 10.1.0.1 DNS = "10.1.0.2 10.1.0.3" NETWORK_MASK = 255.255.255.0
        AR = [ TYPE = IP4, IP = 10.1.0.5, SIZE = 9, GATEWAY = 10.1.0.254, NETWORK_ADDRESS = 10.1.0.0 ]"""
    blue = 'NAME = blue BRIDGE = br1 DNS = 10.2.0.2 COLOR = "$NAME" AR = [ TYPE = IP4, IP = 10.2.0.5, SIZE = 9 ]'
    made = {name: cloud.admin.number("one.vn.allocate", text) for name, text in (("red", red), ("blue", blue))}
    cloud.one.vn.chmod(made["red"], -1, -1, -1, -1, -1, -1, 1, -1, -1)
    return made


def test_networks_say_what_is_in_their_templates(cloud: Scripted, nets: dict[str, int]) -> None:
    vm = cloud.allocate(f"""NIC = [ NETWORK = red ] NIC = [ NETWORK_ID = {nets["blue"]} ]
        CONTEXT = [ IP = "$NIC[IP, NETWORK=red]", BLUE = "$NIC[IP, NETWORK_ID={nets["blue"]}]",
            DNS = "$NETWORK[DNS, NETWORK=\\"blue\\"]", OLD = "$NETWORK[DNS, NAME=blue]", FIRST = "$NETWORK[GATEWAY]",
            ID = "$NETWORK[COLOR, NETWORK_ID={nets["blue"]}]", NONE = "$NETWORK[DNS, NETWORK=green]$NETWORK[X]",
            ALL = "$NETWORK[TEMPLATE, NETWORK=blue]" ]""")
    found = context(cloud, vm)
    assert parse(base64.b64decode(found.pop("ALL")).decode()).text("DNS") == "10.2.0.2"
    assert (found["IP"], found["BLUE"]) == tuple(nic.text("IP") for nic in cloud.vm(vm).all("TEMPLATE/NIC"))
    assert {name: found[name] for name in ("DNS", "OLD", "FIRST", "ID", "NONE")} == {
        "DNS": "10.2.0.2", "OLD": "10.2.0.2", "FIRST": "10.1.0.1", "ID": "$NAME", "NONE": "",
    }  # fmt: skip


def test_a_network_that_no_nic_is_in_says_nothing(cloud: Scripted, nets: dict[str, int], ann: Client) -> None:
    number = f"NETWORK_ID={nets['blue']}"
    template = f'NIC = [ NETWORK = red, NETWORK_UNAME = oneadmin ] CONTEXT = [ A = "<$NETWORK[DNS, {number}]>" ]'
    assert context(cloud, ann.number("one.vm.allocate", SIZE + template))["A"] == "<>"


def test_the_network_variables_come_from_lease_range_and_network(cloud: Scripted, nets: dict[str, int]) -> None:
    vm = cloud.allocate("NIC = [ NETWORK = red, MTU = 1400 ] CONTEXT = [ NETWORK = YES ]")
    nic, found = cloud.vm(vm).all("TEMPLATE/NIC")[0], context(cloud, vm)
    given = {name: value for name, value in found.items() if name.startswith("ETH0_") and value}
    assert {name.removeprefix("ETH0_"): value for name, value in given.items()} == {
        "MAC": nic.text("MAC"), "IP": nic.text("IP"), "NETWORK": "10.1.0.0", "MASK": "255.255.255.0",
        "GATEWAY": "10.1.0.254", "DNS": "10.1.0.2 10.1.0.3", "MTU": "1400",
    }  # fmt: skip


def test_a_vm_that_is_refused_for_its_context_has_taken_no_address(cloud: Scripted, nets: dict[str, int]) -> None:
    before = cloud.admin.text("one.vn.info", nets["red"])
    template = f'{SIZE} NIC = [ NETWORK = red ] BIG = "{"x" * 500_000}" CONTEXT = [ A = "{"$BIG " * 20}" ]'
    assert refusal(cloud.one.vm.allocate, template)[1] == 8192
    assert cloud.admin.text("one.vn.info", nets["red"]) == before


@pytest.fixture(scope="module")
def images(cloud: Scripted) -> dict[str, int]:
    """Files init.sh, vmlinuz and "a b" of the file datastore, and os, an image for disks; ann may use none."""
    cloud.fakes["DATASTORE_MAD"].answers_all("STAT", "SUCCESS {id} 1")
    made = {}
    for name, kind, store in (
        ("init.sh", "CONTEXT", 2),
        ("vmlinuz", "KERNEL", 2),
        ("a b", "CONTEXT", 2),
        ("os", "OS", 1),
    ):
        template = f'NAME = "{name}" TYPE = {kind} PATH = /var/tmp/x COLOR = "$NAME"'
        made[name] = image = cloud.admin.number("one.image.allocate", template, store)
        cloud.ds.succeeds("CP", image, f"/ds/{store}/{image} raw")
        until(lambda: parse(cloud.admin.text("one.image.info", image)).int("STATE") == 1)  # noqa: B023 (called at once)
    return made


def test_files_of_a_datastore_are_on_the_disk_under_their_names(cloud: Scripted, images: dict[str, int]) -> None:
    number = images["init.sh"]
    vm = cloud.allocate("""OS = [ KERNEL_DS = "$FILE[IMAGE=vmlinuz]", KERNEL_CMD = quiet ]
        CONTEXT = [ FILES = "/etc/motd", FILES_DS = "$FILE[IMAGE=\\"init.sh\\"]" ]""")
    word = f"/ds/2/{number}:'init.sh'"
    assert context(cloud, vm)["FILES_DS"] == word
    assert cloud.vm(vm).text("TEMPLATE/OS/KERNEL") == f"/ds/2/{images['vmlinuz']}"
    cloud.one.vm.deploy(vm, cloud.host("alpha"))
    script = Path(cloud.tm.succeeds("TRANSFER", vm).split(" ", 2)[2])
    assert script.read_text().split()[2:4] == ["/etc/motd", word]
    made = cloud.allocate(f'CONTEXT = [ FILES_DS = "$FILE[IMAGE_ID={number}]" ]')
    assert context(cloud, made)["FILES_DS"] == word


@pytest.mark.parametrize(("text", "told"), [
    ("/etc/passwd", 'CONTEXT: FILES_DS: it is $FILE[IMAGE="name"] or $FILE[IMAGE_ID=n], not "/etc/passwd"'),
    ("$FILE[SOURCE=a]", "Error parsing CONTEXT: FILES_DS: $FILE needs IMAGE or IMAGE_ID"),
    ("$FILE[IMAGE=none]", "CONTEXT: FILES_DS: User 0 does not own an image with name: none"),
    ("$FILE[IMAGE_ID=99]", "CONTEXT: FILES_DS: Image with ID: 99 does not exist"),
    ("$FILE[IMAGE=os]", "is not in a file datastore"),
    ('$FILE[IMAGE=\\"a b\\"]', "CONTEXT: FILES_DS: the name 'a b' cannot be that of a file"),
])  # fmt: skip
def test_what_is_no_file_of_a_datastore_is_refused(
    cloud: Scripted, images: dict[str, int], text: str, told: str
) -> None:
    refused, code = refusal(cloud.one.vm.allocate, f'{SIZE} CONTEXT = [ FILES_DS = "{text}" ]')
    assert (code, told in refused) == (8192, True), refused


def test_a_file_is_for_those_who_may_use_its_image(cloud: Scripted, images: dict[str, int], ann: Client) -> None:
    template = f'{SIZE} CONTEXT = [ FILES_DS = "$FILE[IMAGE_ID={images["init.sh"]}]" ]'
    assert refusal(ann.call, "one.vm.allocate", template)[1] == 512
    kernel = f'{SIZE} OS = [ KERNEL_DS = "$FILE[IMAGE_ID={images["vmlinuz"]}]" ]'
    assert refusal(ann.call, "one.vm.allocate", kernel)[1] == 512
    cloud.one.image.chmod(images["init.sh"], -1, -1, -1, -1, -1, -1, 1, -1, -1)
    assert ann.number("one.vm.allocate", template) >= 0


def test_images_say_what_is_in_their_templates(cloud: Scripted, images: dict[str, int]) -> None:
    vm = cloud.allocate(f"""DISK = [ IMAGE_ID = {images["os"]} ]
        CONTEXT = [ A = "$IMAGE[COLOR, IMAGE=os]", B = "$IMAGE[COLOR, IMAGE_ID={images["os"]}]",
            C = "<$IMAGE[COLOR, IMAGE=other]$IMAGE[NONE, IMAGE=os]>", D = "$DISK[IMAGE]" ]""")
    found = context(cloud, vm)
    assert [found[name] for name in "ABCD"] == ["$NAME", "$NAME", "<>", "os"]


def test_the_driver_gets_a_script_that_a_shell_reads_as_it_was_meant(cloud: Scripted) -> None:
    hostile = "it's \"$(touch /tmp/x)\" `id` \\ \n #!; & | > \t ü \\' '' end\\"
    quoted = hostile.replace('"', '\\"').replace("$", "\\$")
    vm = cloud.allocate(f'NAME = web CONTEXT = [ TEXT = "{quoted}\\"", NAME = "$NAME", EMPTY = "" ]')
    cloud.one.vm.deploy(vm, cloud.host("alpha"))
    script = Path(cloud.tm.succeeds("TRANSFER", vm).split(" ", 2)[2])
    words = script.read_text().splitlines()[-1].split()
    made = Path(words[1])
    assert (words[0], made) == ("CONTEXT", cloud.var / f"vms/{vm}/context.sh")
    stored = hostile.replace("$", "\\$") + '"'
    assert sourced(made, "TEXT", "NAME", "EMPTY", "TARGET", "DISK_ID") == [stored, "web", "", "hda", "0"]
    assert made.stat().st_mode & 0o007 == 0, "contexts hold secrets"


def test_a_vm_that_is_made_again_gets_its_script_again(cloud: Scripted) -> None:
    vm = cloud.running(cloud.host("alpha"), 'NAME = again CONTEXT = [ HOSTNAME = "$NAME" ]')
    made = cloud.var / f"vms/{vm}/context.sh"
    made.unlink()
    cloud.one.vm.rename(vm, "renamed")
    cloud.one.vm.action("delete-recreate", vm)
    cloud.vmm.succeeds("CANCEL", vm)
    cloud.tm.succeeds("TRANSFER", vm)
    cloud.reaches(vm, "PENDING")
    assert not made.exists()
    cloud.one.vm.deploy(vm, cloud.host("alpha"))
    cloud.tm.succeeds("TRANSFER", vm)
    assert sourced(made, "HOSTNAME") == ["again"], "variables are filled in once, when the VM is made"


def test_a_stopped_vm_keeps_the_disk_that_it_has(cloud: Scripted) -> None:
    vm = cloud.running(cloud.host("alpha"), "CONTEXT = [ A = 1 ]")
    made = cloud.var / f"vms/{vm}/context.sh"
    made.unlink()
    cloud.one.vm.action("stop", vm)
    cloud.vmm.succeeds("SAVE", vm)
    cloud.tm.succeeds("TRANSFER", vm)
    cloud.reaches(vm, "STOPPED")
    cloud.one.vm.action("resume", vm)
    cloud.one.vm.deploy(vm, cloud.host("alpha"))
    script = Path(cloud.tm.succeeds("TRANSFER", vm).split(" ", 2)[2])
    assert "CONTEXT" not in script.read_text()
    assert not made.exists()


def test_users_take_files_from_safe_directories_only_once_they_may(tmp_path: Path) -> None:
    conf = 'VM_RESTRICTED_ATTR = "NIC/MAC"\nCONTEXT_SAFE_DIRS = "/srv/context  /srv/more/"\n' + SIMULATED
    with Daemon(tmp_path, conf) as daemon:
        daemon.admin.number("one.user.allocate", "bob", "secret")
        bob = daemon.client("bob:secret")
        for files in ("/srv/context/init.sh", "/srv/context/a/b /srv/more/c"):
            assert bob.number("one.vm.allocate", f'{SIZE} CONTEXT = [ FILES = "{files}" ]') >= 0
        for files in (
            "/etc/passwd", "/srv/context/../../etc/passwd", "/srv/contextual/a", "http://127.0.0.1/x",
            "/srv/context/$NAME", "/srv/context/a /etc/shadow", "$USER[PATH]",
        ):  # fmt: skip
            told, code = refusal(bob.call, "one.vm.allocate", f'{SIZE} CONTEXT = [ FILES = "{files}" ]')
            assert (code, "is outside of the directories of CONTEXT_SAFE_DIRS" in told) == (512, True), told
        vm = daemon.allocate('CONTEXT = [ FILES = "/etc/motd http://127.0.0.1/x" ]')
        daemon.one.vm.chown(vm, 2, -1)
        assert bob.number("one.vm.resize", vm, "MEMORY = 32", False) == vm, "what an administrator gave may stay"
        assert daemon.check() == []
