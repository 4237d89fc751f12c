"""A cluster that changes its shape while it works (README.md has the story)."""

from share.examples.cluster import Stage, main

DAY = """
NODE_CLASS = [ NAME = slim, TEMPLATE = local, SLOTS = 1, MIN = 1, MAX = 3, BOOT_TIME = 5 ]
"""
NIGHT = """
NODE_CLASS = [ NAME = slim, TEMPLATE = local, SLOTS = 1, MAX = 1, BOOT_TIME = 5 ]
NODE_CLASS = [ NAME = fat, TEMPLATE = local, SLOTS = 4, MAX = 2, BOOT_TIME = 5 ]
"""
ENVIRONMENT = """\
pe_name smp
slots 999
user_lists NONE
xuser_lists NONE
start_proc_args NONE
stop_proc_args NONE
allocation_rule $pe_slots
control_slaves FALSE
job_is_first_task TRUE
urgency_slots min
accounting_summary FALSE
qsort_args NONE
"""


def play(stage: Stage) -> None:
    """By day many slim nodes and one that is always there; by night a few fat ones."""
    sge = stage.site.sge
    sge.define("-Ap", ENVIRONMENT)
    sge.admin("qconf", "-aattr", "queue", "pe_list", "smp", "all.q")
    stage.say("1. By day: one slim node is always there, and three at most")
    stage.show("onesge", "class", "list")
    stage.wait("there is a node", stage.nodes)
    slim = [stage.submit("sleep", "15") for _ in range(6)]
    stage.wait("there are three", lambda: len(stage.nodes()) == 3)
    stage.show("onesge", "node", "list")

    stage.say("2. Somebody has a job that wants four slots on one machine. There is no such node, and it is said")
    wide = stage.submit("-pe", "smp", "4", "sleep", "5")
    stage.wait("it is known", lambda: "never" in stage.site.run("onesge", "explain", wide))
    stage.show("onesge", "explain", wide)

    stage.say(
        "3. Evening: onesge gets another onesge.conf. One slim node, two fat ones; the jobs that run do not notice"
    )
    stage.configure(NIGHT)
    stage.show("onesge", "class", "list")
    stage.show("onesge", "plan")
    stage.wait("there is a fat node", lambda: "fat" in stage.nodes().values())
    stage.show("onesge", "node", "list")
    stage.show("onesge", "explain", wide)

    stage.say(
        "4. The jobs have ended, each once; the fat node goes, and so do slim ones, for by night none has to be there"
    )
    stage.end()
    ran = sge.admin("qacct", "-o", "labuser", "-j")
    print(
        f"  {sum(ran.count(f'jobnumber    {job} ') for job in [*slim, wide])} of {len(slim) + 1} jobs are accounted for"
    )


if __name__ == "__main__":
    main(play, DAY)
