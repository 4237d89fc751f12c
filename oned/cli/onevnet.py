"""onevnet: virtual networks, their addresses and who has them."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from oned.cli import editor, vnet_preview, vnet_views
from oned.cli.actions import DRY_RUN, Step, apply
from oned.cli.command import Command, CommandError, Option, Program
from oned.cli.lists import FILTERS, Listing, add_list, filtered, show_each
from oned.cli.names import CLUSTERS, VNETS, VNetId, VNetList
from oned.cli.output import FORMATS, say
from oned.cli.owned import add_locks, add_owners, add_rename, add_update
from oned.cli.preview import preview
from oned.cli.vnet_dhcp import add_dhcp
from oned.cli.vnet_preview import Refusal
from oned.client.client import Client
from oned.client.documents import parse

if TYPE_CHECKING:
    from oned.template.template import Template

program = Program("onevnet", "makes networks and manages their addresses")

CLUSTER = Option("cluster", ("-c", "--cluster"), "cluster where its VMs may run, id or name", "CLUSTER")
FORCE = Option("force", ("--force",), "even if leases of it are in use")
NAME = Option("name", ("--name",), "name of the new network", "NAME")
SIZE = Option("size", ("-s", "--size"), "number of addresses", "NUMBER", int)
RANGE = Option("ar", ("--addr-range",), "number of the range that they are taken from", "RANGE", int)
TYPE = Option("type", ("-t", "--type"), "kind of the range, by default what the addresses given make of it", "TYPE")
IP = Option("ip", ("-i", "--ip"), "first IPv4 address", "IP")
MAC = Option("mac", ("-m", "--mac"), "first MAC", "MAC")
IP6 = Option("ip6", ("--ip6",), "first IPv6 address", "IP6")
GLOBAL = Option("global_prefix", ("--ip6_global",), "prefix of global IPv6 addresses that are made of MACs", "PREFIX")
ULA = Option("ula_prefix", ("--ip6_ula",), "prefix of local IPv6 addresses that are made of MACs", "PREFIX")
ADDRESSES = (TYPE, SIZE, IP, MAC, IP6, GLOBAL, ULA)

_DEFAULT_CLUSTER = -1
METHODS = {"addar": "add_ar", "updatear": "update_ar"}
"""Commands whose method has another name."""


def _text(name: str, vector: Mapping[str, object]) -> str:
    """A vector as template text, without what is not given."""
    from oned.template import render
    from oned.template.template import Template

    given = {key.upper(): str(value) for key, value in vector.items() if value not in (None, "")}
    return render.text(Template([(name, given)]))


def _lease(address: str, mac: str = "") -> str:
    """LEASES with one address: an IP address or a MAC."""
    key = "MAC" if address.count(":") == 5 and "::" not in address else "IP"
    return _text("LEASES", {key: address, **({"MAC": mac} if mac else {})})


def _change(one: Client, net: int, step: Step, refusal: Refusal, *, dry_run: bool, sent: str = "") -> int:
    """Do it to a network, or show that and why it would be refused; the exit code.

    refusal  why, as far as the network's document tells
    sent     the template of the change, for which a daemon can be asked that previews such changes
    """
    if dry_run:
        if sent:
            refusal = vnet_preview.asked(one, METHODS.get(step.action, step.action), sent, refusal)
        return preview(one, VNETS, [net], step.doing, refusal)
    return apply(VNETS, [net], step)


def _nothing(_net: object) -> str:
    return ""


@program.command("create", "<file>", CLUSTER, DRY_RUN)
def create(one: Client, file: str, *, cluster: str | None, dry_run: bool) -> None:
    """Makes a network of a template in a file (- is stdin).

    With --dry-run the daemon says what would be made, or why it would be refused, and nothing is made.
    """
    number = _DEFAULT_CLUSTER if cluster is None else CLUSTERS.id(one, cluster)
    text = editor.read(file)
    if not dry_run:
        say(f"ID: {one.number('one.vn.allocate', text, number)}")
        return
    vnet_views.show_vnet(one, parse(one.text("oned.vn.preview_allocate", text, number)))
    say("1 to make. Nothing was changed.")


@program.command("delete", "<vnet-list>...", DRY_RUN)
def delete(one: Client, nets: VNetList, *, dry_run: bool, verbose: bool) -> int:
    """Deletes networks that have no leases in use."""
    if dry_run:
        return preview(one, VNETS, nets, "delete", vnet_preview.in_use)
    return apply(VNETS, nets, Step("delete", "deleting", lambda net: one.call("one.vn.delete", net)), verbose=verbose)


@program.command("hold", "<vnet> <address>", DRY_RUN)
def hold(one: Client, net: VNetId, address: str, *, dry_run: bool) -> int:
    """Keeps a free address, an IP address or a MAC, from being used."""
    text = _lease(address)
    step = Step("hold", f"hold {address}", lambda oid: one.call("one.vn.hold", oid, text))
    return _change(one, net, step, vnet_preview.not_free(address), dry_run=dry_run, sent=text)


@program.command("release", "<vnet> <address>", DRY_RUN)
def release(one: Client, net: VNetId, address: str, *, dry_run: bool) -> int:
    """Lets an address be used that is on hold."""
    text = _lease(address)
    step = Step("release", f"release {address}", lambda oid: one.call("one.vn.release", oid, text))
    return _change(one, net, step, vnet_preview.not_held(address), dry_run=dry_run, sent=text)


@program.command("addleases", "<vnet> <ip> [<mac>]", DRY_RUN)
def addleases(one: Client, net: VNetId, address: str, mac: str = "", *, dry_run: bool) -> int:
    """Adds an address to a network of TYPE = FIXED."""
    text = _lease(address, mac)
    step = Step("addleases", f"add {address}", lambda oid: one.call("one.vn.addleases", oid, text))
    return _change(one, net, step, _nothing, dry_run=dry_run, sent=text)


@program.command("rmleases", "<vnet> <ip>", DRY_RUN)
def rmleases(one: Client, net: VNetId, address: str, *, dry_run: bool) -> int:
    """Removes a free address from a network of TYPE = FIXED."""
    text = _lease(address)
    step = Step("rmleases", f"remove {address}", lambda oid: one.call("one.vn.rmleases", oid, text))
    return _change(one, net, step, vnet_preview.not_free(address), dry_run=dry_run, sent=text)


@program.command("addar", "<vnet> [<file>]", *ADDRESSES, DRY_RUN)
def addar(one: Client, net: VNetId, file: str = "", *, dry_run: bool, **options: Any) -> int:
    """Adds an address range: AR vectors of a file (- is stdin), or one of options."""
    text = editor.read(file) if file else _text("AR", {"type": _type(options), **_addresses(options)})
    step = Step("addar", f"add {' '.join(text.split())}", lambda oid: one.call("one.vn.add_ar", oid, text))
    return _change(one, net, step, _nothing, dry_run=dry_run, sent=text)


def _addresses(options: Mapping[str, Any]) -> dict[str, Any]:
    return {option.keyword: options[option.keyword] for option in ADDRESSES if option is not TYPE}


def _type(options: Mapping[str, Any]) -> str:
    """The kind of a range: the one given, or what its addresses make of it."""
    if options["type"]:
        return str(options["type"])
    fixed, made = bool(options["ip6"]), bool(options["global_prefix"] or options["ula_prefix"])
    if options["ip"]:
        return "IP4_6_STATIC" if fixed else "IP4_6" if made else "IP4"
    return "IP6_STATIC" if fixed else "IP6" if made else "ETHER"


@program.command("updatear", "<vnet> <range> [<file>]", SIZE, DRY_RUN)
def updatear(one: Client, net: VNetId, number: str, file: str = "", *, size: int | None, dry_run: bool) -> int:
    """Changes size and attributes of a range: by a file of attributes (- is stdin), by --size, or in both ways."""
    from oned.template.parse import parse

    if not file and size is None:
        raise CommandError("nothing to change: give a file, or --size")
    given = _range(parse(editor.read(file) if file else ""))
    vector = {**given, "AR_ID": _number(number), **({"SIZE": size} if size is not None else {})}
    text = _text("AR", vector)
    step = Step("updatear", f"update {' '.join(text.split())}", lambda oid: one.call("one.vn.update_ar", oid, text))
    return _change(one, net, step, vnet_preview.too_small(_number(number), size), dry_run=dry_run, sent=text)


@program.command("rmar", "<vnet> <range>", FORCE, DRY_RUN)
def rmar(one: Client, net: VNetId, number: str, *, force: bool, dry_run: bool) -> int:
    """Removes an address range."""
    ar = _number(number)
    step = Step("rmar", f"remove range {ar}", lambda oid: one.call("one.vn.rm_ar", oid, ar, force))
    return _change(one, net, step, vnet_preview.range_in_use(ar, force=force), dry_run=dry_run)


@program.command("freear", "<vnet> <range>", DRY_RUN)
def freear(one: Client, net: VNetId, number: str, *, dry_run: bool) -> int:
    """Gives a reserved address range back to the network that it is from."""
    ar = _number(number)
    step = Step("freear", f"free range {ar}", lambda oid: one.call("one.vn.free_ar", oid, ar))
    return _change(one, net, step, vnet_preview.range_in_use(ar, reserved=True), dry_run=dry_run)


def _range(template: "Template") -> dict[str, str]:
    """The attributes of one range: of AR = [ … ], or as they stand. CommandError for several ranges."""
    ranges = template.vectors("AR")
    loose = {key: value for key, value in template if isinstance(value, str)}
    if len(ranges) + bool(loose) > 1 or len([*template]) > len(loose) + len(ranges):
        raise CommandError("the file wants the attributes of one range: AR = [ SIZE = 2, … ], or SIZE = 2 alone")
    return {**ranges[0]} if ranges else loose


def _number(text: str) -> int:
    if not text.isdecimal():
        raise CommandError(f"{text!r} is no number of an address range")
    return int(text)


@program.command("reserve", "<vnet> [<vnet>]", NAME, SIZE, RANGE, IP, MAC, DRY_RUN)
def reserve(one: Client, net: VNetId, more_for: VNetId = -1, *, dry_run: bool, **options: Any) -> int:
    """Reserves addresses in a row for a new network, or as more of one that was reserved before."""
    from oned.template import render
    from oned.template.template import Template

    if options["size"] is None or bool(options["name"]) == (more_for >= 0):
        raise CommandError("give --size, and --name for a new network or a second network that gets more")
    wanted = {"NAME": options["name"], "SIZE": options["size"], "AR_ID": options["ar"], "IP": options["ip"],
              "MAC": options["mac"], "NETWORK_ID": more_for if more_for >= 0 else None}  # fmt: skip
    text = render.text(Template((key, str(value)) for key, value in wanted.items() if value is not None))
    if dry_run:
        refusal = vnet_preview.asked(one, "reserve", text, vnet_preview.too_few(options["size"]))
        return preview(one, VNETS, [net], f"reserve {options['size']}", refusal)
    say(f"ID: {one.number('one.vn.reserve', net, text)}")
    return 0


def _publish_command(verb: str, public: bool, sentence: str) -> Command:
    def do(one: Client, nets: VNetList, *, verbose: bool) -> int:
        step = Step(verb, f"{verb}ing", lambda net: one.call("one.vn.publish", net, public))
        return apply(VNETS, nets, step, verbose=verbose)

    do.__doc__ = sentence
    return Command(verb, "<vnet-list>...", (), do, sentence)


@program.command("show", "<vnet-list>...", *FORMATS)
def show(one: Client, nets: VNetList, **formats: Any) -> None:
    """Shows all about networks, with their ranges and leases."""
    show_each(one, VNETS, nets, lambda net: vnet_views.show_vnet(one, net), formats)


program.add(_publish_command("publish", True, "Lets everybody use networks."))
program.add(_publish_command("unpublish", False, "Keeps networks to their owners."))
program.alias("free", "freear")
add_list(program, Listing("networks", filtered(VNETS), lambda pool: pool.all("VNET"), vnet_views.VNET_TABLE, FILTERS))
add_rename(program, VNETS, VNetId)
add_update(program, VNETS, VNetId, "TEMPLATE", vnet_preview.update)
add_owners(program, VNETS, VNetList)
add_locks(program, VNETS, VNetList)
add_dhcp(program)


def main(argv: Sequence[str] | None = None) -> int:
    """The program; the exit code."""
    return program.main(argv)
