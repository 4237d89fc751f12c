"""Characters that shells know, in every attribute that reaches drivers: they are written as they are, nothing runs."""

import os
from pathlib import Path

from oned.client.documents import parse
from tests.daemon.process import SIMULATED, Daemon, refusal, until

DRIVERS = """
TM_MAD = [ NAME = "shared", EXECUTABLE = "one_tm", ARGUMENTS = "shared", PROTOCOL = "datastore" ]
DATASTORE_MAD = [ NAME = "fs", EXECUTABLE = "one_datastore_fs" ]
"""
CONF = "".join(line + "\n" for line in SIMULATED.splitlines() if not line.startswith(("TM_MAD", "DATASTORE_MAD")))
MIB = 1 << 20
ODD = "$(touch${IFS}{0}/ran);`touch {0}/ran`|touch {0}/ran&touch {0}/ran;'\\\\\" * ?[a] ~ é !"
"""A value, as a template quotes it; {0} is where the file would be that tells that it ran."""


def test_whatever_a_user_writes_nothing_of_it_runs(root: Path) -> None:
    odd = ODD.replace("{0}", str(root))
    said = odd.replace("$", "\\$")  # else it is a variable of CONTEXT
    file = root / "disk;touch${IFS}ran`id`$(id)'&|*?[b].img"
    file.write_bytes(os.urandom(MIB))
    with Daemon(root / "one", CONF + DRIVERS) as site:
        site.admin.number("one.host.allocate", "alpha", "dummy", "dummy", "dummy", "shared")
        host = site.monitored("alpha")
        image = site.admin.number(
            "one.image.allocate", f'NAME = odd\nPATH = "{file}"\nDESCRIPTION = "{odd}"\nNOTE = "{odd}"', 1
        )
        until(lambda: parse(site.admin.text("one.image.info", image)).int("STATE") == 1, "the image")
        made = Path(parse(site.admin.text("one.image.info", image)).text("SOURCE"))
        assert made.read_bytes() == file.read_bytes()
        for form in ("ext4;touch ran", "$(touch ran)", "../../bin/sh"):
            empty = f'NAME = "{abs(hash(form))}"\nTYPE = DATABLOCK\nSIZE = 1\nFS = "{form}"'
            assert refusal(site.one.image.allocate, empty, 1)[1] == 16384
        vm = site.allocate(f"""
            DISK = [ IMAGE_ID = {image}, NOTE = "{odd}", SERIAL = "{odd}" ]
            DISK = [ TYPE = fs, FORMAT = raw, SIZE = 1, NOTE = "{odd}" ]
            OS = [ KERNEL_CMD = "{odd}", ROOT = "{odd}" ]
            NIC = [ BRIDGE = "{odd}", MODEL = "{odd}", SCRIPT = "{odd}" ]
            GRAPHICS = [ TYPE = vnc, PASSWD = "{odd}" ]
            CONTEXT = [ HOSTNAME = "{said}", SCRIPT = "{said}", START_SCRIPT = "{said}" ]
            RAW = [ TYPE = kvm, DATA = "{odd}" ]
            DESCRIPTION = "{odd}"
        """)
        site.one.vm.update(vm, f'NOTE = "{odd}"', 1)
        site.one.vm.deploy(vm, host)
        site.reaches(vm, "RUNNING")
        there = site.var / "datastores/0" / str(vm)
        assert (there / "disk.0").read_bytes() == file.read_bytes()
        context = parse(site.admin.text("one.vm.info", vm)).text("TEMPLATE/CONTEXT/HOSTNAME")
        assert f"`touch {root}/ran`|touch" in context
        site.one.vm.action("terminate-hard", vm)
        site.reaches(vm, "DONE")
        assert not there.exists()
        site.one.image.delete(image)
        until(lambda: not made.exists(), "the end of the image")
        assert site.check() == []
    ran = [path for path in (*root.rglob("ran"), Path("ran"), Path.home() / "ran") if path.exists()]
    assert ran == []
