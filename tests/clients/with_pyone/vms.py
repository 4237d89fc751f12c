"""VMs as pyone makes, reads and changes them."""

from tests.clients.with_pyone.client import Cloud


def a_vm_is_made_of_text(cloud: Cloud) -> None:
    vm = cloud.one.vm.allocate('NAME = "web"\nCPU = 0.5\nMEMORY = 64\nVCPU = 2\n# a comment\n\nROLE = "front"', False)
    info = cloud.one.vm.info(vm)
    assert (info.ID, info.NAME, info.UNAME, info.GNAME) == (vm, "web", "oneadmin", "oneadmin")
    assert (info.STATE, info.LCM_STATE) == (cloud.pyone.VM_STATE.PENDING, cloud.pyone.LCM_STATE.LCM_INIT)
    template = info.TEMPLATE
    assert (template["CPU"], template["MEMORY"], template["VCPU"]) == ("0.5", "64", "2")
    assert info.USER_TEMPLATE["ROLE"] == "front"
    assert (info.STIME > 0, info.ETIME, info.RESCHED, info.LAST_POLL) == (True, 0, 0, 0)
    cloud.one.vm.action("terminate", vm)


def a_vm_is_made_of_a_flat_dictionary(cloud: Cloud) -> None:
    vm = cloud.one.vm.allocate({"NAME": "flat", "CPU": 0.01, "MEMORY": 1, "NOTE": "two\nlines"}, True)
    info = cloud.one.vm.info(vm)
    assert (info.NAME, info.TEMPLATE["CPU"], info.USER_TEMPLATE["NOTE"]) == ("flat", "0.01", "two\nlines")


def a_vm_is_made_of_a_nested_dictionary(cloud: Cloud) -> None:
    nested = {
        "TEMPLATE": {
            "NAME": "nested", "CPU": "0.01", "MEMORY": "1", "GRAPHICS": {"TYPE": "VNC", "LISTEN": "0.0.0.0"},
            "NOTE": "<&>",
        }
    }  # fmt: skip
    info = cloud.one.vm.info(cloud.one.vm.allocate(nested, True))
    assert info.NAME == "nested"
    assert dict(info.TEMPLATE["GRAPHICS"])["TYPE"] == "VNC"
    assert info.USER_TEMPLATE["NOTE"] == "<&>"


def one_disk_is_a_dictionary_and_several_are_a_list(cloud: Cloud) -> None:
    one = cloud.one.vm.info(cloud.new_vm('DISK = [ SOURCE = "/a" ]')).TEMPLATE["DISK"]
    two = cloud.one.vm.info(cloud.new_vm('DISK = [ SOURCE = "/a" ]\nDISK = [ SOURCE = "/b" ]')).TEMPLATE["DISK"]
    assert (one["SOURCE"], one["DISK_ID"]) == ("/a", "0")
    assert [(disk["SOURCE"], disk["DISK_ID"]) for disk in two] == [("/a", "0"), ("/b", "1")]


def a_held_vm_is_released_and_deployed(cloud: Cloud) -> None:
    vm = cloud.new_vm(hold=False)
    assert cloud.one.vm.action("hold", vm) == vm
    cloud.reaches(vm, "HOLD")
    assert cloud.one.vm.action("release", vm) == vm
    assert cloud.one.vm.deploy(vm, cloud.host(), False, -1, "") == vm
    info = cloud.reaches(vm, "ACTIVE", "RUNNING")
    assert info.DEPLOY_ID
    [record] = info.HISTORY_RECORDS.HISTORY
    assert (record.OID, record.SEQ, record.HID, record.HOSTNAME) == (vm, 0, cloud.host(), "alpha")
    assert (record.STIME > 0, record.ETIME, record.DS_ID, record.VM_MAD) == (True, 0, 0, "dummy")


def a_running_vm_obeys_every_action(cloud: Cloud) -> None:
    vm = cloud.running()
    for action, state, lcm in (
        ("suspend", "SUSPENDED", "LCM_INIT"), ("resume", "ACTIVE", "RUNNING"), ("poweroff", "POWEROFF", "LCM_INIT"),
        ("resume", "ACTIVE", "RUNNING"), ("poweroff-hard", "POWEROFF", "LCM_INIT"), ("resume", "ACTIVE", "RUNNING"),
        ("reboot", "ACTIVE", "RUNNING"), ("reboot-hard", "ACTIVE", "RUNNING"), ("resched", "ACTIVE", "RUNNING"),
        ("unresched", "ACTIVE", "RUNNING"), ("stop", "STOPPED", "LCM_INIT"),
    ):  # fmt: skip
        assert cloud.one.vm.action(action, vm) == vm, action
        cloud.reaches(vm, state, lcm)
    cloud.one.vm.deploy(vm, cloud.host())
    cloud.reaches(vm, "ACTIVE", "RUNNING")
    cloud.one.vm.action("undeploy", vm)
    cloud.reaches(vm, "UNDEPLOYED")
    cloud.one.vm.action("terminate", vm)
    assert cloud.reaches(vm, "DONE").ETIME > 0


def a_vm_ends_by_terminate_hard(cloud: Cloud) -> None:
    vm = cloud.running()
    cloud.one.vm.action("terminate-hard", vm)
    info = cloud.reaches(vm, "DONE")
    assert info.HISTORY_RECORDS.HISTORY[-1].ETIME > 0
    cloud.refused("OneActionException", cloud.one.vm.action, "resume", vm)


def a_vm_moves_with_and_without_a_stop(cloud: Cloud) -> None:
    vm, one = cloud.running(), cloud.one
    assert one.vm.migrate(vm, cloud.host("beta"), True, False, -1, 0) == vm
    cloud.reaches(vm, "ACTIVE", "RUNNING")
    assert one.vm.migrate(vm, cloud.host("alpha"), False, False, -1, 0) == vm
    info = cloud.reaches(vm, "ACTIVE", "RUNNING")
    records = info.HISTORY_RECORDS.HISTORY
    assert [record.HOSTNAME for record in records] == ["alpha", "beta", "alpha"]
    assert [record.SEQ for record in records] == [0, 1, 2]
    text = cloud.refused("OneActionException", one.vm.migrate, vm, cloud.host("alpha"), True)
    assert "already running" in text


def an_update_merges_or_replaces(cloud: Cloud) -> None:
    vm, one = cloud.new_vm(), cloud.one
    one.vm.update(vm, {"LABELS": "web,blue", "A": "1"}, 1)
    one.vm.update(vm, {"USER_TEMPLATE": {"B": "2"}}, 1)
    labelled = one.vm.info(vm).USER_TEMPLATE
    assert (labelled["LABELS"], labelled["A"], labelled["B"]) == ("web,blue", "1", "2")
    one.vm.update(vm, 'C = "3"', 0)
    assert dict(one.vm.info(vm).USER_TEMPLATE) == {"C": "3"}
    before = dict(one.vm.info(vm).USER_TEMPLATE)
    one.vm.update(vm, 'C = "3"', 1)
    assert dict(one.vm.info(vm).USER_TEMPLATE) == before


def rights_and_owners_change(cloud: Cloud) -> None:
    vm, one = cloud.new_vm(), cloud.one
    user = one.user.allocate("vera", "secret", "core", [1])
    assert one.vm.chmod(vm, -1, -1, -1, 1, 0, -1, 1, 0, 0) == vm
    bits = one.vm.info(vm).PERMISSIONS
    assert (bits.OWNER_U, bits.OWNER_M, bits.OWNER_A) == (1, 1, 0)
    assert (bits.GROUP_U, bits.GROUP_M, bits.OTHER_U, bits.OTHER_A) == (1, 0, 1, 0)
    assert one.vm.chown(vm, user, 1) == vm
    info = one.vm.info(vm)
    assert (info.UID, info.GID, info.UNAME, info.GNAME) == (user, 1, "vera", "users")
    assert one.vm.chown(vm, -1, 0) == vm
    assert (one.vm.info(vm).UID, one.vm.info(vm).GID) == (user, 0)


def a_vm_gets_another_name(cloud: Cloud) -> None:
    vm = cloud.new_vm()
    assert cloud.one.vm.rename(vm, "Höhe 2") == vm
    assert cloud.one.vm.info(vm).NAME == "Höhe 2"
    assert "not allowed" in cloud.refused("OneActionException", cloud.one.vm.rename, vm, "a&b")


def a_lock_is_there_only_while_it_is_locked(cloud: Cloud) -> None:
    vm, one = cloud.new_vm(), cloud.one
    assert one.vm.info(vm).LOCK is None
    assert one.vm.lock(vm, 4, False) == vm
    lock = one.vm.info(vm).LOCK
    assert (lock.LOCKED, lock.OWNER, lock.TIME > 0) == (1, 0, True)
    cloud.refused("OneAuthorizationException", one.vm.action, "release", vm)
    assert one.vm.unlock(vm) == vm
    assert one.vm.info(vm).LOCK is None


def a_vm_is_resized_while_it_is_off(cloud: Cloud) -> None:
    vm = cloud.new_vm()
    assert cloud.one.vm.resize(vm, {"CPU": 0.02, "MEMORY": 2, "VCPU": 1}, False) == vm
    template = cloud.one.vm.info(vm).TEMPLATE
    assert (template["CPU"], template["MEMORY"], template["VCPU"]) == ("0.02", "2", "1")
    saved = cloud.running()
    cloud.one.vm.action("suspend", saved)
    cloud.reaches(saved, "SUSPENDED")
    cloud.refused("OneActionException", cloud.one.vm.resize, saved, "CPU = 0.02", False)


def recover_takes_each_number(cloud: Cloud) -> None:
    vm = cloud.running()
    assert cloud.one.vm.recover(vm, 4) == vm
    cloud.reaches(vm, "PENDING")
    text = cloud.refused("OneActionException", cloud.one.vm.recover, vm, 1)
    assert text.startswith("[one.vm.recover] ")
    assert cloud.one.vm.recover(vm, 3) == vm
    cloud.reaches(vm, "DONE")
    cloud.refused("OneActionException", cloud.one.vm.recover, vm, 77)


def lists_have_what_was_asked_for(cloud: Cloud) -> None:
    one, held, running = cloud.one, cloud.new_vm(), cloud.running()
    ended = cloud.new_vm()
    one.vm.action("terminate", ended)
    cloud.reaches(ended, "DONE")

    def ids(*arguments: int) -> list[int]:
        return [vm.ID for vm in one.vmpool.info(*arguments).VM]

    everything, alive = ids(-2, -1, -1, -2), ids(-2, -1, -1, -1)
    assert {held, running, ended} <= set(everything)
    assert {held, running} <= set(alive)
    assert ended not in alive
    assert ids(-2, held, held, -1) == [held]
    assert running in ids(-3, -1, -1, 3)
    assert held not in ids(-3, -1, -1, 3)
    assert ended in ids(-2, -1, -1, 6)
    assert len(ids(-2, 0, -2, -2)) == 2


def the_extended_list_has_what_inventories_read(cloud: Cloud) -> None:
    vm = cloud.running('LABELS = "web,blue"\n')
    found = {item.ID: item for item in cloud.one.vmpool.infoextended(-2, -1, -1, 3).VM}[vm]
    assert (found.NAME, found.UNAME, found.GNAME) == (f"one-{vm}", "oneadmin", "oneadmin")
    assert found.HISTORY_RECORDS.HISTORY[-1].HOSTNAME == "alpha"
    assert found.USER_TEMPLATE["LABELS"] == "web,blue"
    assert found.TEMPLATE["CPU"] == "0.01"


def samples_are_read_as_numbers(cloud: Cloud) -> None:
    vm = cloud.running()
    cloud.until(lambda: cloud.one.vm.info(vm).LAST_POLL > 0, "a sample")
    if cloud.knows("MONITORING_DATA"):  # not 5.8, which reads MONITORING as text
        last = cloud.one.vm.info(vm).MONITORING
        assert (float(last.CPU) >= 0, int(last.MEMORY) >= 0) == (True, True)
        sample = cloud.one.vm.monitoring(vm).MONITORING[-1]
        assert (vm, True) == (sample.ID, sample.TIMESTAMP > 0)
        assert vm in [item.ID for item in cloud.one.vmpool.monitoring(-2).MONITORING]


def a_vm_that_is_not_deployed_has_an_empty_history(cloud: Cloud) -> None:
    assert cloud.one.vm.info(cloud.new_vm()).HISTORY_RECORDS.HISTORY == []


def a_name_and_a_text_in_any_script_come_back_as_they_were(cloud: Cloud) -> None:
    text = "žluťoučký кот 猫 🐈 <b> & tab\tend"
    vm = cloud.new_vm(f'NAME = "Käse 猫"\nNOTE = "{text}"\n')
    info = cloud.one.vm.info(vm)
    assert (info.NAME, info.USER_TEMPLATE["NOTE"]) == ("Käse 猫", text)


def accounting_has_the_vm_in_each_record(cloud: Cloud) -> None:
    vm = cloud.running()
    cloud.one.vm.action("terminate-hard", vm)
    cloud.reaches(vm, "DONE")
    [record] = [item for item in cloud.one.vmpool.accounting(-2, -1, -1).HISTORY if vm == item.OID]
    assert (record.SEQ, record.HOSTNAME, record.ETIME > 0) == (0, "alpha", True)
    assert (vm, "oneadmin") == (record.VM.ID, record.VM.UNAME)
