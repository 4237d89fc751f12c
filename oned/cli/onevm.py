"""onevm: virtual machines."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from oned.cli import editor, template_views, vm_template, vm_views
from oned.cli.actions import Step, one_of, switches
from oned.cli.command import Command, CommandError, Option, Program
from oned.cli.lists import FILTERS, Listing, add_list, filtered, show_each
from oned.cli.names import VMS, DatastoreId, HostId, VMId, VMList
from oned.cli.output import FORMATS, dump, say
from oned.cli.owned import APPEND, add_locks, add_owners, add_rename, add_update, given_or_edited
from oned.cli.preview import NO_SUCH_METHOD
from oned.cli.sections import as_template
from oned.cli.vm_disks import FILE, add_disks
from oned.cli.vm_nics import add_nics
from oned.cli.vm_snapshots import add_snapshots
from oned.cli.wait import OPTIONS as MANNER
from oned.cli.wait import SETTLED, Goal, act
from oned.cli.watching import add_watch
from oned.client.client import Client, Faulted
from oned.client.documents import parse

program = Program("onevm", "makes and controls virtual machines")

ENFORCE = Option("enforce", ("-e", "--enforce"), "refuse a host that is disabled or has too little room")
LIVE = Option("live", ("--live",), "move it while it runs")
POFF = Option("poff", ("--poff",), "switch it off, move it, switch it on")
POFF_HARD = Option("poff_hard", ("--poff-hard",), "the same, without asking the guest to shut down")
HARD = Option("hard", ("--hard",), "do not ask the guest: pull the plug")
RECREATE = Option("recreate", ("--recreate",), "remove it from its host and let it begin anew")

RECOVERIES = (
    # option, operation of one.vm.recover, event, where it leads, sentence
    ("failure", 0, "recover failure", SETTLED, "take the open operation as failed"),
    ("success", 1, "recover success", SETTLED, "take the open operation as done"),
    ("retry", 2, "recover retry", SETTLED, "do the failed operation again"),
    ("delete", 3, "delete", ("DONE",), "remove it from its host and end it"),
    ("recreate", 4, "recreate", ("PENDING", "RUNNING"), RECREATE.sentence),
    ("delete_db", 5, "delete-db", (), "forget it, and do nothing on its host"),
)

WAYS = (
    # option, event, live and kind of one.vm.migrate
    ("", "migrate", False, 0),
    ("live", "migrate live", True, 0),
    ("poff", "migrate poweroff", False, 1),
    ("poff_hard", "migrate poweroff-hard", False, 2),
)


class Action(NamedTuple):
    """A command that is one name of one.vm.action: verb, name, the word for --verbose, where it leads, sentence.

    hard     the name that --hard sends instead
    classic  what a classic verb is written like today
    """

    verb: str
    name: str
    doing: str
    leads: tuple[str, ...]
    sentence: str
    hard: str = ""
    classic: str = ""


ACTIONS = (
    Action("hold", "hold", "holding", ("HOLD",), "Keeps pending VMs from the scheduler."),
    Action("release", "release", "releasing", ("PENDING", "RUNNING"), "Gives held VMs back to the scheduler."),
    Action("stop", "stop", "stopping", ("STOPPED",), "Saves VMs and takes them off their hosts."),
    Action("suspend", "suspend", "suspending", ("SUSPENDED",), "Saves the memory of VMs on their hosts."),
    Action("resume", "resume", "resuming", ("RUNNING",), "Lets VMs go on that are stopped, suspended or off."),
    Action("poweroff", "poweroff", "powering off", ("POWEROFF",), "Switches VMs off.", "poweroff-hard"),
    Action("undeploy", "undeploy", "undeploying", ("UNDEPLOYED",), "Switches VMs off and takes them off their hosts.",
           "undeploy-hard"),
    Action("reboot", "reboot", "rebooting", ("RUNNING",), "Restarts the guests.", "reboot-hard"),
    Action("terminate", "terminate", "terminating", ("DONE",), "Shuts VMs down for good.", "terminate-hard"),
    Action("resched", "resched", "rescheduling", (), "Asks the scheduler for better hosts."),
    Action("unresched", "unresched", "unmarking", (), "Takes that back."),
    Action("shutdown", "terminate", "shutting down", ("DONE",), "Shuts VMs down for good.", "", "terminate"),
    Action("cancel", "terminate-hard", "cancelling", ("DONE",), "Ends VMs at once.", "", "terminate --hard"),
    Action("restart", "resume", "restarting", ("RUNNING",), "Starts VMs that were lost or are off.", "", "resume"),
    Action("boot", "resume", "booting", ("RUNNING",), "Starts VMs that were lost or are off.", "", "resume"),
    Action("reset", "reboot-hard", "resetting", ("RUNNING",), "Resets the guests.", "", "reboot --hard"),
)  # fmt: skip


def _action_command(action: Action) -> Command:
    """The verb of a row of ACTIONS."""

    def do(one: Client, vms: VMList, **options: Any) -> int:
        name = action.hard if options.get("hard") else action.name
        step = Step(name, action.doing, lambda vm: one.call("one.vm.action", name, vm))
        return act(one, vms, step, Goal(action.leads), options)

    do.__doc__ = action.sentence
    options = (*MANNER, HARD) if action.hard else MANNER
    return Command(action.verb, "<vm-list>...", options, do, action.sentence, action.classic)


@program.command("create", "[<file>]", vm_template.HOLD, vm_template.MULTIPLE, *vm_template.OPTIONS, *MANNER)
def create(one: Client, file: str = "", *, hold: bool, multiple: int | None, **options: Any) -> int:
    """Makes VMs from a template file (- is stdin), from options, or from both.

    With --dry-run the daemon says what would be made, or why it would be refused, and nothing is made.
    """
    templates = vm_template.templates(file, options, 1 if multiple is None else multiple)
    if options["dry_run"]:
        for template in templates:
            _preview(one, template, hold=hold)
        say(f"{len(templates)} to make. Nothing was changed.")
        return 0
    made = []
    for template in templates:
        arguments = (template, True) if hold else (template,)
        made.append(one.number("one.vm.allocate", *arguments))
        say(f"ID: {made[-1]}")
    goal = Goal(("HOLD",) if hold else ("RUNNING",))
    return act(one, made, Step("create", "made", lambda vm: vm), goal, {**options, "verbose": False})


def _preview(one: Client, template: str, *, hold: bool) -> None:
    """What the daemon would make; of a daemon that does not tell, the template."""
    try:
        template_views.show_vm(parse(one.text("oned.vm.preview", template, hold)))
    except Faulted as fault:
        if fault.code != NO_SUCH_METHOD:
            raise
        say(template)


@program.command("deploy", "<vm-list> <host> [<datastore>]", ENFORCE, FILE, *MANNER)
def deploy(
    one: Client, vms: VMList, host: HostId, datastore: DatastoreId = -1, *, enforce: bool, **options: Any
) -> int:
    """Starts VMs on a host; a file says the networks of NICs with NETWORK_MODE = auto: NIC = [ NIC_ID, NETWORK_ID ]."""
    file = options.pop("given")
    nics = (editor.read(file),) if file else ()
    step = Step("deploy", "deploying", lambda vm: one.call("one.vm.deploy", vm, host, enforce, datastore, *nics))
    return act(one, vms, step, Goal(("RUNNING",), host), options)


@program.command("migrate", "<vm-list> <host> [<datastore>]", ENFORCE, LIVE, POFF, POFF_HARD, *MANNER)
def migrate(one: Client, vms: VMList, host: HostId, datastore: DatastoreId = -1, **options: Any) -> int:
    """Moves VMs to another host: saved and restored, unless an option says how."""
    way = one_of(options, *(row[0] for row in WAYS if row[0]))
    _, event, live, kind = next(row for row in WAYS if row[0] == way)

    def move(vm: int) -> object:
        return one.call("one.vm.migrate", vm, host, live, options["enforce"], datastore, kind)

    goal = Goal(("RUNNING", "POWEROFF", "SUSPENDED"), host)
    return act(one, vms, Step(event, "migrating", move), goal, options)


@program.command("recover", "<vm-list>...", *switches(RECOVERIES), *MANNER)
def recover(one: Client, vms: VMList, **options: Any) -> int:
    """Helps VMs on whose last operation failed or hangs; say how with one of the options."""
    chosen = one_of(options, *(row[0] for row in RECOVERIES))
    if not chosen:
        raise CommandError("say how: " + ", ".join(option.flags[0] for option in switches(RECOVERIES)))
    return _recover(one, vms, chosen, options)


@program.command("delete", "<vm-list>...", RECREATE, *MANNER)
def delete(one: Client, vms: VMList, *, recreate: bool, **options: Any) -> int:
    """Removes VMs from their hosts at once, whatever they do."""
    return _recover(one, vms, "recreate" if recreate else "delete", options)


@program.command("resubmit", "<vm-list>...", *MANNER, classic="delete --recreate")
def resubmit(one: Client, vms: VMList, **options: Any) -> int:
    """Removes VMs from their hosts and lets them begin anew."""
    return _recover(one, vms, "recreate", options)


def _recover(one: Client, vms: list[int], chosen: str, options: dict[str, Any]) -> int:
    operation, event, leads = next(row[1:4] for row in RECOVERIES if row[0] == chosen)
    step = Step(event, "recovering", lambda vm: one.call("one.vm.recover", vm, operation))
    return act(one, vms, step, Goal(leads), options)


@program.command("livemigrate", "<vm-list> <host> [<datastore>]", ENFORCE, *MANNER, classic="migrate --live")
def livemigrate(one: Client, vms: VMList, host: HostId, datastore: DatastoreId = -1, **options: Any) -> int:
    """Moves VMs to another host while they run."""
    return migrate(one, vms, host, datastore, live=True, **options) or 0


@program.command("resize", "<vm>", vm_template.CPU, vm_template.VCPU, vm_template.MEMORY, ENFORCE)
def resize(one: Client, vm: VMId, *, enforce: bool, **capacity: Any) -> None:
    """Changes the CPU, virtual CPUs or memory of a VM."""
    text = vm_template.capacity(capacity)
    if not text:
        raise CommandError("say what to change: --cpu, --vcpu, --memory")
    one.call("one.vm.resize", vm, text, enforce)


@program.command("updateconf", "<vm> [<file>]", APPEND)
def updateconf(one: Client, vm: VMId, file: str = "", *, append: bool) -> None:
    """Changes how a VM is built and what its guest is told: by a file (- is stdin), or in an editor.

    A VM that runs has the new configuration when it is switched off and on again.
    """
    text = given_or_edited(file, f"vm-{vm}", lambda: "" if append else _configuration(one, vm))
    one.call("one.vm.updateconf", vm, text, int(append))


def _configuration(one: Client, vm: int) -> str:
    """The sections that can be changed."""
    from oned.template import render
    from oned.template.configuration import sections

    template = as_template(parse(one.text("one.vm.info", vm)).first("TEMPLATE"))
    return render.text(sections(template))


@program.command("show", "<vm-list>...", *FORMATS)
def show(one: Client, vms: VMList, **formats: Any) -> None:
    """Shows all about VMs."""
    show_each(one, VMS, vms, vm_views.show_vm, formats)


@program.command("history", "[<vm-list>]...")
def history(one: Client, vms: VMList | None = None) -> None:
    """Shows the hosts that VMs were on; of all VMs when none is named."""
    for vm in vms or [item.int("ID") for item in VMS.objects(one)]:
        document = parse(one.text("one.vm.info", vm))
        vm_views.section(f"History for VM {vm}", document.all("HISTORY_RECORDS/HISTORY"), vm_views.HISTORY_TABLE)


@program.command("explain", "<vm-list>...", *FORMATS)
def explain(one: Client, vms: VMList, **formats: Any) -> None:
    """Says why VMs are where they are: what each requirement removed, and who decided what."""
    for vm in vms:
        document = parse(one.text("oned.vm.explain", vm))
        if not dump(document, **{option.keyword: formats[option.keyword] for option in FORMATS}):
            vm_views.show_explanation(document)


for row in ACTIONS:
    program.add(_action_command(row))
add_list(program, Listing("VMs that are not done", filtered(VMS), lambda pool: pool.all("VM"), vm_views.VM_TABLE,
                          FILTERS))  # fmt: skip
add_rename(program, VMS, VMId)
add_disks(program)
add_nics(program)
add_watch(program, VMS, VMList)
add_snapshots(program)
add_update(program, VMS, VMId, "USER_TEMPLATE")
add_owners(program, VMS, VMList)
add_locks(program, VMS, VMList)
program.alias("submit", "create")


def main(argv: Sequence[str] | None = None) -> int:
    """The program; the exit code."""
    return program.main(argv)
