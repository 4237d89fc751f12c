#!/usr/bin/env python3
"""A driver of any kind that keeps the protocol, but for one fault: its argument is `KIND FAULT`.

Its domains are files in its working directory, so that they outlive the process as real ones do.
"""

import base64
import json
import os
import subprocess
import sys
import time
from pathlib import Path

KIND, FAULT, *_ = [*sys.argv[1].split(), ""]
WORDS = {"vmm": 5, "im": 4, "tm": 3, "datastore": 3, "hm": 3}
VERBS = {
    "vmm": ("DEPLOY", "POLL", "SAVE", "RESTORE", "MIGRATE", "CANCEL", "SHUTDOWN", "REBOOT", "RESET",
            "ATTACHDISK", "DETACHDISK", "ATTACHNIC", "DETACHNIC", "UPDATENIC", "CLEANUP", "RESIZE",
            "RESIZEDISK",
            "DISKSNAPSHOTCREATE", "SNAPSHOTCREATE", "SNAPSHOTREVERT", "SNAPSHOTDELETE"),
    "im": ("MONITOR",), "tm": ("TRANSFER",), "hm": ("EXECUTE",),
    "datastore": ("STAT", "CP", "CLONE", "MKFS", "RM", "MONITOR"),
}  # fmt: skip


def say(text: str) -> None:
    if FAULT == "torn" and text.startswith("POLL"):
        os.write(1, text[:5].encode())
        time.sleep(0.1)
        text = text[5:]
    os.write(1, text.encode() + b"\n")


def vmm(verb: str, number: str, words: list[str]) -> tuple[bool, str]:
    domain = Path(f"domain-{number}")
    if verb == "DEPLOY":
        if domain.exists() and FAULT == "once-only":
            return False, "there is one already"
        domain.touch()
        return True, {"two-words": "one two", "no-id": "-"}.get(FAULT, f"one-{number}")
    if verb == "POLL":
        texts = {"bad-state": "STATE=running", "bad-poll": "STATE=a something", "immortal": "STATE=a"}
        return True, texts.get(FAULT, "STATE=a" if domain.exists() else "STATE=d")
    if verb == "CANCEL":
        domain.unlink(missing_ok=True)
    if verb == "SAVE" and FAULT in ("reason", "no-reason"):
        return False, "disk full" if FAULT == "reason" else "-"
    return True, "-"


def im(verb: str, number: str, words: list[str]) -> tuple[bool, str]:
    texts = {"no-numbers": "TOTALCPU=many,TOTALMEMORY=1024", "nothing": "well"}
    return True, texts.get(FAULT, f"HOSTNAME={words[0]},TOTALCPU=800,TOTALMEMORY=1024")


def tm(verb: str, number: str, words: list[str]) -> tuple[bool, str]:
    try:
        lines = Path(words[0]).read_text().splitlines()
    except OSError:
        return FAULT == "believes", "no script"
    unknown = [line for line in lines if line.split()[0] not in ("CLONE", "DELETE", "#")]
    return not unknown or FAULT == "ignores", "not found" if unknown else "-"


def datastore(verb: str, number: str, words: list[str]) -> tuple[bool, str]:
    good = {"STAT": "1", "RM": "-", "MONITOR": "USED_MB=1,TOTAL_MB=3,FREE_MB=2"}
    bad = {"bad-size": ("STAT", "large"), "no-room": ("MONITOR", "USED_MB=1"), "no-source": ("CP", "-")}
    about, text = bad.get(FAULT, ("", ""))
    return True, text if about == verb else good.get(verb, f"/images/{number}")


def hm(verb: str, number: str, words: list[str]) -> tuple[bool, str]:
    if len(words) > 1:
        return words[2] != "/bin/false" or FAULT == "always-well", "trial: -"
    told = {"rc": 0, "output": f"ran {number}\n", "errors": "", "problem": ""}
    if FAULT == "another":
        told["output"] = "ran something"
    text = "well" if FAULT == "no-document" else base64.b64encode(json.dumps(told).encode()).decode()
    return True, text


DO = {"vmm": vmm, "im": im, "tm": tm, "datastore": datastore, "hm": hm}


def request(line: str) -> None:
    words = line.split()
    verb, number, *_ = [*words, "", ""]
    if verb not in VERBS[KIND] or not number.isdigit() or len(number) > 15:
        nonsense(line, verb, number)
    elif len(words) < 3:
        if FAULT == "does-without":
            say(f"{verb} SUCCESS {number} -")
    elif f"silent-{verb}" != FAULT:
        answer(verb, number, words)


def nonsense(line: str, verb: str, number: str) -> None:
    if FAULT == "dies-of-garbage" and line:
        sys.exit(7)
    if FAULT == "does-anything" and number.isdigit():
        say(f"{verb} SUCCESS {number} -")


def answer(verb: str, number: str, words: list[str]) -> None:
    if len(words) > WORDS[KIND] + 1 and FAULT == "counts":
        sys.exit(8)
    well, info = DO[KIND](verb, number, words[2:])
    if FAULT == "all-fail":
        well, info = False, "no libvirt"
    if FAULT == "other-id":
        say(f"{verb} SUCCESS {int(number) + 500} -")
    if FAULT == "stray":
        say("Warning: something")
    for _ in range(2 if FAULT == "twice" else 1):
        say(f"{verb} {'SUCCESS' if well else 'FAILURE'} {number} {info}")


def order(line: str) -> None:
    verb, _, rest = line.partition(" ")
    if verb == "INIT":
        greetings = {"babble": "Hello", "refuses": "INIT FAILURE no libvirt", "odd-init": "INIT FINE"}
        repeats = " REPEATS=DEPLOY" if KIND == "vmm" else ""
        if FAULT != "mute":
            say(greetings.get(FAULT, f"INIT SUCCESS{repeats}"))
    elif verb == "FINALIZE":
        finalize()
    elif verb == "DRIVER_CANCEL":
        if FAULT == "answers-cancel" and rest.isdigit():
            say(f"DRIVER_CANCEL SUCCESS {rest} -")
        elif FAULT != "drops" and rest.isdigit():
            say(f"LOG I {rest} Driver command for {rest} cancelled")
    else:
        request(line)


def finalize() -> None:
    if FAULT == "answers-finalize":
        say("FINALIZE SUCCESS")
    if FAULT == "leaves-a-child":
        subprocess.Popen(["sleep", "30"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    if FAULT != "stays":
        sys.exit(3 if FAULT == "status" else 0)


def kept(lines: list[bytes]) -> list[bytes]:
    if FAULT == "drops" and any(line.startswith(b"DRIVER_CANCEL ") for line in lines):
        return []
    return lines[:1] if FAULT == "first-only" else lines


def main() -> None:
    if FAULT == "early":
        say("Starting up")
    if FAULT == "ends":
        sys.exit(9)
    begun = b""
    while data := os.read(0, 1 << 16):
        if FAULT == "short-buffer" and len(begun) + len(data) >= 1 << 16:
            sys.exit(6)
        *whole, begun = (begun + data).split(b"\n")
        if FAULT == "by-pieces" and begun:
            whole, begun = [begun], b""
        for line in kept(whole):
            order(line.decode(errors="replace"))
    if FAULT == "stays-on":
        time.sleep(60)


if __name__ == "__main__":
    main()
