"""onetemplate: what VMs are made of."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from oned.cli import template_views, user_inputs, vm_template
from oned.cli.actions import Step, apply
from oned.cli.command import Option, Program
from oned.cli.lists import FILTERS, Listing, add_list, filtered, show_each
from oned.cli.names import TEMPLATES, TemplateId, TemplateList
from oned.cli.output import FORMATS, say
from oned.cli.owned import add_locks, add_owners, add_rename, add_update
from oned.cli.sections import as_template
from oned.cli.user_inputs import USER_INPUTS
from oned.cli.wait import OPTIONS as MANNER
from oned.cli.wait import Goal, act
from oned.client.client import Client
from oned.client.documents import parse

if TYPE_CHECKING:
    from oned.template.template import Template

program = Program("onetemplate", "keeps templates, and makes virtual machines of them")

RECURSIVE = Option("recursive", ("--recursive",), "with the images of its disks")
PERSISTENT = Option("persistent", ("--persistent",), "on copies of the images that the VM keeps")


@program.command("create", "[<file>]", *vm_template.OPTIONS)
def create(one: Client, file: str = "", **options: Any) -> None:
    """Keeps a template from a file (- is stdin), from options, or from both. It needs a name."""
    text = vm_template.templates(file, {**options, "dry_run": False}, 1)[0]
    say(f"ID: {one.number('one.template.allocate', text)}")


@program.command("clone", "<template> <name>", RECURSIVE)
def clone(one: Client, template: TemplateId, name: str, *, recursive: bool) -> None:
    """Copies a template under another name; the copy is yours."""
    say(f"ID: {one.number('one.template.clone', template, name, recursive)}")


@program.command("delete", "<template-list>...", RECURSIVE)
def delete(one: Client, templates: TemplateList, *, recursive: bool, verbose: bool) -> int:
    """Deletes templates; VMs that were made of them stay."""
    step = Step("delete", "deleting", lambda item: one.call("one.template.delete", item, recursive))
    return apply(TEMPLATES, templates, step, verbose=verbose)


@program.command("instantiate", "<template> [<file>]", vm_template.HOLD, vm_template.MULTIPLE, PERSISTENT, USER_INPUTS,
                 *vm_template.OPTIONS, *MANNER)  # fmt: skip
def instantiate(one: Client, template: TemplateId, file: str = "", **options: Any) -> int:
    """Makes VMs of a template.

    Attributes of the file (- is stdin) and of options take the place of those of the template. What the template asks
    for and --user-inputs does not answer is asked for on a terminal; elsewhere defaults are taken. With --dry-run the
    daemon says what the VM would be, or why it would be refused, and nothing is made.
    """
    own = as_template(parse(one.text("one.template.info", template)).first("TEMPLATE"))
    extra = _extra(own, file, options)
    names = vm_template.names(options["name"] or "", options["multiple"])
    hold, persistent = options["hold"], options["persistent"]
    if options["dry_run"]:
        return _preview(one, template, names, (hold, extra, persistent))
    made = []
    for name in names:
        made.append(one.number("one.template.instantiate", template, name, hold, extra, persistent))
        say(f"VM ID: {made[-1]}")
    goal = Goal(("HOLD",) if hold else ("RUNNING",))
    return act(one, made, Step("create", "made", lambda vm: vm), goal, {"verbose": False, **options})


def _extra(own: "Template", file: str, options: dict[str, Any]) -> str:
    """The text of the extra template: the file, what options change, and the answers."""
    from oned.template import render

    extra = vm_template.read(file)
    answers = user_inputs.answered(own, user_inputs.given(options["user_inputs"]), _with_options(own, extra, options))
    extra = _with_options(own, extra, options)
    for name, value in answers.items():
        extra.set(name, value)
    return render.text(extra)


def _with_options(own: "Template", extra: "Template", options: dict[str, Any]) -> "Template":
    """The extra template with what options say. They complete the vectors of the template that they are about."""
    whole = extra.copy()
    taken = [name for name in vm_template.COMPLETED if name not in extra and name in own]
    for name in taken:
        whole.set(name, dict(own.vector(name)))
    vm_template.complete(whole, {**options, "name": None})
    for name in taken:
        if whole.vector(name) == own.vector(name):
            whole.remove(name)
    return whole


def _preview(one: Client, template: int, names: list[str], manner: tuple[bool, str, bool]) -> int:
    """Show the VMs that would be made; manner is what follows the name in the calls."""
    for name in names:
        template_views.show_vm(parse(one.text("oned.template.preview", template, name, *manner)))
    say(f"{len(names)} to make. Nothing was changed.")
    return 0


@program.command("publish", "<template-list>...", classic="chmod <template> 640")
def publish(one: Client, templates: TemplateList, *, verbose: bool) -> int:
    """Lets the group use templates."""
    step = Step("publish", "publishing", lambda item: one.call("one.template.publish", item, True))
    return apply(TEMPLATES, templates, step, verbose=verbose)


@program.command("unpublish", "<template-list>...", classic="chmod <template> 600")
def unpublish(one: Client, templates: TemplateList, *, verbose: bool) -> int:
    """Keeps templates from the group."""
    step = Step("unpublish", "unpublishing", lambda item: one.call("one.template.publish", item, False))
    return apply(TEMPLATES, templates, step, verbose=verbose)


@program.command("show", "<template-list>...", *FORMATS)
def show(one: Client, templates: TemplateList, **formats: Any) -> None:
    """Shows all about templates. What --json, --yaml and --xml write, create and update can read."""
    show_each(one, TEMPLATES, templates, template_views.show_template, formats)


add_list(program, Listing("templates", filtered(TEMPLATES), lambda pool: pool.all("VMTEMPLATE"),
                          template_views.TEMPLATE_TABLE, FILTERS))  # fmt: skip
add_rename(program, TEMPLATES, TemplateId)
add_update(program, TEMPLATES, TemplateId, "TEMPLATE")
add_owners(program, TEMPLATES, TemplateList)
add_locks(program, TEMPLATES, TemplateList)


def main(argv: Sequence[str] | None = None) -> int:
    """The program; the exit code."""
    return program.main(argv)
