"""On-demand nodes for two virtual organisations, which share a host (README.md has the story)."""

from share.examples.cluster import Stage, main
from share.lab.machine import MASTER

CLASSES = """
MAX = 4
NODE_CLASS = [ NAME = atlas, TEMPLATE = local, SLOTS = 2, MAX = 4, BOOT_TIME = 5, QUEUES = "atlas.q @atlas" ]
NODE_CLASS = [ NAME = cms, TEMPLATE = local, SLOTS = 2, MAX = 4, BOOT_TIME = 5, QUEUES = "cms.q @cms" ]
QUOTA = [ NAME = atlas, BY = project, WHO = atlas, NODES = 2 ]
QUOTA = [ NAME = cms, BY = project, WHO = cms, NODES = 2 ]
"""
ORGANISATIONS = ("atlas", "cms")


def play(stage: Stage) -> None:
    """Atlas borrows what cms does not use; when cms comes, it has its own two."""
    for name in ORGANISATIONS:
        organise(stage, name)
    stage.say("1. Nobody has work: no node")
    stage.show("onesge", "class", "list")
    stage.show("onesge", "quota")

    stage.say("2. atlas has twenty-eight jobs. Two nodes are its own; cms wants none, so atlas may have all four")
    for _ in range(28):
        stage.submit("-P", "atlas", "-q", "atlas.q", "sleep", "12")
    stage.wait("atlas has four nodes", lambda: list(stage.nodes().values()).count("atlas") == 4)
    stage.show("onesge", "node", "list")
    stage.show("onesge", "quota")

    stage.say(
        "3. cms comes with four jobs. There is no room; what atlas has borrowed goes back, though it has jobs that wait"
    )
    jobs = [stage.submit("-P", "cms", "-q", "cms.q", "sleep", "20") for _ in range(4)]
    stage.wait("all nodes are known to be taken", lambda: "MAX" in stage.site.run("onesge", "explain", jobs[0]))
    stage.show("onesge", "explain", jobs[0])
    stage.wait("a lent node takes no further job", lambda: stage.nodes("DRAINING"))
    stage.show("onesge", "explain", next(iter(stage.nodes("DRAINING"))))
    stage.wait("cms has a node", lambda: "cms" in stage.nodes().values())
    stage.show("onesge", "node", "list")
    stage.show("onesge", "quota")
    stage.wait("the first job of cms runs", lambda: "runs" in stage.site.run("onesge", "explain", jobs[0]))
    stage.show("onesge", "explain", jobs[0])
    stage.show("onesge", "status")

    stage.say("4. All is done, and no node is left for anybody")
    stage.end()
    stage.show("onesge", "status")


def organise(stage: Stage, name: str) -> None:
    """What the administrator of Grid Engine makes once for an organisation: a project, a host group, a queue for it.

    The master is in the queue, without slots: qsub takes no job for a queue that has no host at all.
    """
    sge = stage.site.sge
    sge.define("-Aprj", f"name {name}\noticket 0\nfshare 0\nacl NONE\nxacl NONE\n")
    sge.define("-Ahgrp", f"group_name @{name}\nhostlist {MASTER}\n")
    facts = {"qname": f"{name}.q", "hostlist": f"@{name}", "projects": name}
    lines = sge.admin("qconf", "-sq", "all.q").replace("\\\n", "").splitlines()
    text = [f"{word} {facts[word]}" if (word := line.split()[0]) in facts else line for line in lines if line.strip()]
    sge.define("-Aq", "\n".join(line for line in text if not line.startswith("slots ")) + "\nslots 0\n")


if __name__ == "__main__":
    main(play, CLASSES)
