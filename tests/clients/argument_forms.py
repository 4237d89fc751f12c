"""The argument lists that clients send after the session, by method: i an integer, b a boolean, s a string, A an array.

Methods are named without "one."; "-" is no argument. Each form was sent by some release of a client: Ruby OCA 1.4 to
6.10, Java OCA, goca, pyone, oca, Ansible, CLUES, IM, npm, mm_sched.
"""

UNDERSTOOD = """
acl.addrule              s s s | s s s s
acl.delrule              i
acl.info                 -
cluster.add              i i
cluster.adddatastore     i i
cluster.addhost          i i
cluster.addvnet          i i
cluster.allocate         s
cluster.deldatastore     i i
cluster.delete           i
cluster.delhost          i i
cluster.delvnet          i i
cluster.info             i | i b
cluster.remove           i
cluster.rename           i s
cluster.update           i s | i s i
clusterpool.info         -
datastore.allocate       s | s i
datastore.chmod          i i i i i i i i i i
datastore.chown          i i i
datastore.delete         i
datastore.enable         i b
datastore.info           i | i b
datastore.rename         i s
datastore.update         i s | i s i
datastorepool.info       -
document.allocate        s i
document.chmod           i i i i i i i i i i
document.chown           i i i
document.clone           i s
document.delete          i
document.info            i | i b
document.lock            i i | i i b
document.rename          i s
document.unlock          i
document.update          i s | i s i
documentpool.info        i i i i
group.addadmin           i i
group.allocate           s
group.deladmin           i i
group.delete             i
group.info               i | i b
group.quota              i s
group.update             i s | i s i
grouppool.info           -
groupquota.info          -
groupquota.update        s
hook.allocate            s
hook.delete              i
hook.info                i
hook.lock                i i | i i b
hook.rename              i s
hook.retry               i i
hook.unlock              i
hook.update              i s i
hooklog.info             i i i i
hookpool.info            i i i
host.allocate            s s s s b | s s s s | s s s s s | s s s s i | s s s i
host.delete              i
host.enable              i b
host.info                i | i b
host.monitoring          i
host.rename              i s
host.status              i i
host.update              i s | i s i
hostpool.info            -
hostpool.monitoring      - | i
image.allocate           s | s i | s i b
image.chmod              i i i i i i i i i i
image.chown              i i i
image.chtype             i s
image.clone              i s | i s i
image.delete             i | i b
image.enable             i b
image.info               i | i b
image.lock               i i | i i b
image.persistent         i b
image.publish            i b
image.rename             i s
image.rmattr             i s
image.snapshotdelete     i i
image.snapshotflatten    i i
image.snapshotrevert     i i
image.unlock             i
image.update             i s | i s i | i s s
imagepool.info           i | i i i
secgroup.allocate        s
secgroup.chmod           i i i i i i i i i i
secgroup.chown           i i i
secgroup.clone           i s
secgroup.commit          i b
secgroup.delete          i
secgroup.info            i | i b
secgroup.rename          i s
secgroup.update          i s | i s i
secgrouppool.info        i i i
system.config            -
system.version           -
template.allocate        s
template.chmod           i i i i i i i i i i | i i i i i i i i i i b
template.chown           i i i
template.clone           i s | i s b
template.delete          i | i b
template.info            i | i b | i b b
template.instantiate     i s | i s b s | i s b s b
template.lock            i i | i i b
template.publish         i b
template.rename          i s
template.unlock          i
template.update          i s | i s i
templatepool.info        - | i i i
user.addgroup            i i
user.allocate            s s | s s s | s s s A
user.chauth              i s s
user.chgrp               i i
user.delete              i
user.delgroup            i i
user.enable              i b
user.info                i | i b
user.login               s s i | s s i i
user.passwd              i s
user.quota               i s
user.update              i s | i s i
userpool.info            -
userquota.info           -
userquota.update         s
vdc.addcluster           i i i
vdc.adddatastore         i i i
vdc.addgroup             i i
vdc.addhost              i i i
vdc.addvnet              i i i
vdc.allocate             s
vdc.delcluster           i i i
vdc.deldatastore         i i i
vdc.delete               i
vdc.delgroup             i i
vdc.delhost              i i i
vdc.delvnet              i i i
vdc.info                 i | i b
vdc.rename               i s
vdc.update               i s i
vdcpool.info             -
vm.action                s i
vm.allocate              s | s b
vm.attach                i s
vm.attachnic             i s
vm.chmod                 i i i i i i i i i i
vm.chown                 i i i
vm.deploy                i i | i i b | i i b i | i i b i s
vm.detach                i i | i s
vm.detachnic             i i
vm.diskresize            i i s
vm.disksaveas            i i s s i
vm.disksnapshotcreate    i i s
vm.disksnapshotdelete    i i i
vm.disksnapshotrename    i i i s
vm.disksnapshotrevert    i i i
vm.info                  i | i b
vm.lock                  i i | i i b
vm.migrate               i i b | i i b b | i i b b i | i i b b i i
vm.monitoring            i
vm.recover               i b | i i
vm.rename                i s
vm.resize                i s b
vm.savedisk              i i i | i i s | i i s s | i i s s b | i i s s b b
vm.snapshotcreate        i s
vm.snapshotdelete        i i
vm.snapshotrevert        i i
vm.unlock                i
vm.update                i s | i s i
vm.updateconf            i s | i s i
vmgrouppool.info         i i i
vmpool.accounting        i i i
vmpool.calculateshowback i i i i
vmpool.info              i | i b i | i i i i | i i i i s
vmpool.infoextended      i i i i | i i i i s
vmpool.infoset           s b
vmpool.monitoring        i | i i
vmpool.showback          i i i i i
vn.add_ar                i s
vn.addleases             i s
vn.allocate              s | s i
vn.chmod                 i i i i i i i i i i
vn.chown                 i i i
vn.delete                i
vn.free_ar               i i
vn.hold                  i s
vn.info                  i | i b
vn.lock                  i i | i i b
vn.publish               i b
vn.recover               i i
vn.release               i s
vn.rename                i s
vn.reserve               i s
vn.rm_ar                 i i | i i b
vn.rmleases              i s
vn.unlock                i
vn.update                i s | i s i
vn.update_ar             i s
vnpool.info              i | i i i
zone.allocate            s
zone.delete              i
zone.info                i | i b
zone.raftstatus          -
zone.rename              i s
zone.update              i s i
zonepool.info            -
"""
"""Every argument of these counts."""

IGNORED = """
clusterpool.info         b
imagepool.info           i i i i
templatepool.info        i i i i
vm.attach                i s b
vnpool.info              i i i i
"""
"""The last argument of these is sent by somebody (goca, Ansible, IM) and has no meaning."""

NOT_SERVED = frozenset({
    "one.document.allocate", "one.document.chmod", "one.document.chown", "one.document.clone", "one.document.delete",
    "one.document.info", "one.document.lock", "one.document.rename", "one.document.unlock", "one.document.update",
    "one.documentpool.info",
    "one.secgroup.allocate", "one.secgroup.chmod", "one.secgroup.chown", "one.secgroup.clone", "one.secgroup.commit",
    "one.secgroup.delete", "one.secgroup.info", "one.secgroup.rename", "one.secgroup.update",
    "one.secgrouppool.info",
    "one.vdc.addcluster", "one.vdc.adddatastore", "one.vdc.addgroup", "one.vdc.addhost", "one.vdc.addvnet",
    "one.vdc.allocate", "one.vdc.delcluster", "one.vdc.deldatastore", "one.vdc.delete", "one.vdc.delgroup",
    "one.vdc.delhost", "one.vdc.delvnet", "one.vdc.info", "one.vdc.rename", "one.vdc.update",
    "one.vdcpool.info",
    "one.vmpool.calculateshowback", "one.vmpool.showback",
    "one.zone.allocate", "one.zone.delete", "one.zone.rename", "one.zone.update",
})  # fmt: skip
"""Methods of the tables that are not there yet. Whoever adds one takes it out of here."""


def forms(table: str) -> list[tuple[str, str]]:
    """Method, with "one.", and form of each row."""
    rows = (line.split(maxsplit=1) for line in table.split("\n") if line)
    return [(f"one.{name}", form.strip(" -")) for name, listed in rows for form in listed.split("|")]
