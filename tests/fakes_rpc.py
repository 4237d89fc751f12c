"""A daemon that speaks the real wire and answers as a test wants, to try clients against."""

import threading
from collections.abc import Callable
from socketserver import ThreadingMixIn
from typing import Any
from xmlrpc.client import Fault
from xmlrpc.server import SimpleXMLRPCRequestHandler, SimpleXMLRPCServer

STATES = {
    "PENDING": (1, 0),
    "HOLD": (2, 0),
    "PROLOG": (3, 1),
    "BOOT": (3, 2),
    "RUNNING": (3, 3),
    "MIGRATE": (3, 4),
    "SAVE_SUSPEND": (3, 6),
    "BOOT_FAILURE": (3, 36),
    "STOPPED": (4, 0),
    "SUSPENDED": (5, 0),
    "DONE": (6, 0),
    "POWEROFF": (8, 0),
}


POSSIBLE = {
    "PENDING": ("delete", "deploy", "hold", "recreate", "terminate", "terminate-hard"),
    "HOLD": ("delete", "deploy", "recreate", "release", "terminate", "terminate-hard"),
    "PROLOG": ("delete", "recreate"),
    "RUNNING": ("delete", "migrate", "migrate live", "migrate poweroff", "recreate", "resched", "stop", "suspend",
                "terminate", "terminate-hard"),
}  # fmt: skip
"""Some of the events that are possible in a state, as the daemon names them."""


class Refused(Exception):
    """Raised by an answer: the daemon says `[false, text, code]`."""

    def __init__(self, text: str, code: int) -> None:
        super().__init__(text)
        self.code = code


class _Handler(SimpleXMLRPCRequestHandler):
    rpc_paths = ("/RPC2",)
    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        super().setup()
        self.server.connections += 1

    def log_message(self, *_line: object) -> None:
        """Nothing on stderr: the tests read it."""


class _Server(ThreadingMixIn, SimpleXMLRPCServer):
    daemon_threads = True
    connections = 0

    def _dispatch(self, method: str, params: tuple[Any, ...]) -> Any:
        return self.daemon.answer(method, params)


class FakeDaemon:
    """Methods by name, each a function of its arguments without the session; and a log of what was called."""

    def __init__(self) -> None:
        self.methods: dict[str, Callable[..., Any]] = {}
        self.calls: list[tuple[Any, ...]] = []
        self.sessions: list[str] = []
        self._server = _Server(("127.0.0.1", 0), _Handler, allow_none=False)
        self._server.daemon = self
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/RPC2"

    @property
    def connections(self) -> int:
        return self._server.connections

    def __enter__(self) -> "FakeDaemon":
        self._thread.start()
        return self

    def __exit__(self, *_reason: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, name: str, params: tuple[Any, ...]) -> Any:
        arguments = params
        if name.startswith(("one.", "oned.")):
            self.sessions.append(params[0])
            arguments = params[1:]
        self.calls.append((name, *arguments))
        if name not in self.methods:
            raise Fault(-506, f"Method '{name}' not defined")
        try:
            payload = self.methods[name](*arguments)
        except Refused as refused:
            return [False, f"[{name}] {refused}", refused.code]
        return [True, payload, 0] if name.startswith(("one.", "oned.")) else payload

    def called(self, name: str) -> list[tuple[Any, ...]]:
        """The arguments of every call of a method, in order."""
        return [call[1:] for call in self.calls if call[0] == name]


class FakeCloud(FakeDaemon):
    """A daemon with VMs, hosts and users. A VM walks through the states given: one step at each look at it."""

    def __init__(self) -> None:
        super().__init__()
        self.vms: dict[int, dict[str, Any]] = {}
        self.hosts: dict[int, str] = {}
        self.users = {0: "oneadmin", 2: "ada"}
        self.methods.update(
            {
                "one.vm.info": self._vm_info,
                "one.vmpool.info": lambda *_filter: self._pool("VM_POOL", map(self._vm_xml, self.vms)),
                "one.hostpool.info": lambda: self._pool("HOST_POOL", map(self._host_xml, self.hosts)),
                "one.host.info": self._host_info,
                "one.userpool.info": lambda: self._pool("USER_POOL", map(self._user_xml, self.users)),
                "one.user.info": lambda uid: self._user_xml(0 if uid == -1 else uid),
                "one.vm.action": self._acted,
                "oned.vm.explain": self._explained,
                "one.vm.recover": lambda vm, _operation: self._acted("recover", vm),
                "one.vm.deploy": lambda vm, *_rest: self._acted("deploy", vm),
                "one.vm.migrate": lambda vm, *_rest: self._acted("migrate", vm),
            }
        )

    def vm(self, oid: int, name: str, *states: str, **more: Any) -> None:
        """A VM that is in the first state, and in the next ones at each further look."""
        self.vms[oid] = {
            "name": name,
            "states": list(states),
            "host": "",
            "hid": -1,
            "error": "",
            "template": "",
            **more,
        }

    def _acted(self, _action: str, vm: int) -> int:
        self._find(vm)
        return vm

    def _find(self, vm: int) -> dict[str, Any]:
        if vm not in self.vms:
            raise Refused(f"Error getting virtual machine [{vm}].", 0x0400)
        return self.vms[vm]

    def _vm_info(self, vm: int) -> str:
        found = self._find(vm)
        text = self._vm_xml(vm)
        if len(found["states"]) > 1:
            found["states"].pop(0)
        return text

    def _explained(self, vm: int) -> str:
        possible = POSSIBLE.get(self._find(vm)["states"][0], ())
        return f"<EXPLAIN><VM_ID>{vm}</VM_ID>{''.join(f'<POSSIBLE>{event}</POSSIBLE>' for event in possible)}</EXPLAIN>"

    def _vm_xml(self, vm: int) -> str:
        item = self.vms[vm]
        state, lcm = STATES[item["states"][0]]
        history = ""
        if item["host"]:
            history = (
                f"<HISTORY><OID>{vm}</OID><SEQ>0</SEQ><HOSTNAME>{item['host']}</HOSTNAME><HID>{item['hid']}</HID>"
                "<CID>0</CID><VM_MAD>kvm</VM_MAD><STIME>1700000000</STIME><ETIME>0</ETIME><ACTION>0</ACTION></HISTORY>"
            )
        return (
            f"<VM><ID>{vm}</ID><UID>0</UID><GID>0</GID><UNAME>oneadmin</UNAME><GNAME>oneadmin</GNAME>"
            f"<NAME>{item['name']}</NAME><PERMISSIONS><OWNER_U>1</OWNER_U><OWNER_M>1</OWNER_M></PERMISSIONS>"
            f"<STATE>{state}</STATE><LCM_STATE>{lcm}</LCM_STATE><RESCHED>0</RESCHED>"
            f"<STIME>1700000000</STIME><ETIME>1700009060</ETIME><DEPLOY_ID/><MONITORING></MONITORING>"
            f"<TEMPLATE><CPU>0.5</CPU><MEMORY>1536</MEMORY>{item['template']}</TEMPLATE>"
            f"<USER_TEMPLATE><ERROR>{item['error']}</ERROR></USER_TEMPLATE>"
            f"<HISTORY_RECORDS>{history}</HISTORY_RECORDS></VM>"
        )

    def _host_info(self, host: int) -> str:
        if host not in self.hosts:
            raise Refused(f"Error getting host [{host}].", 0x0400)
        return self._host_xml(host)

    def _host_xml(self, host: int) -> str:
        name = self.hosts[host]
        vms = "".join(f"<ID>{vm}</ID>" for vm, item in self.vms.items() if item["hid"] == host)
        return (
            f"<HOST><ID>{host}</ID><NAME>{name}</NAME><STATE>2</STATE><IM_MAD>kvm</IM_MAD><VM_MAD>kvm</VM_MAD>"
            "<CLUSTER_ID>0</CLUSTER_ID><CLUSTER>default</CLUSTER><HOST_SHARE><MEM_USAGE>524288</MEM_USAGE>"
            "<CPU_USAGE>100</CPU_USAGE><TOTAL_MEM>16777216</TOTAL_MEM><TOTAL_CPU>800</TOTAL_CPU>"
            "<MAX_MEM>16777216</MAX_MEM><MAX_CPU>800</MAX_CPU><RUNNING_VMS>1</RUNNING_VMS></HOST_SHARE>"
            f"<VMS>{vms}</VMS><TEMPLATE><ARCH>x86_64</ARCH></TEMPLATE><MONITORING/></HOST>"
        )

    def _user_xml(self, user: int) -> str:
        return (
            f"<USER><ID>{user}</ID><GID>0</GID><GROUPS><ID>0</ID></GROUPS><GNAME>oneadmin</GNAME>"
            f"<NAME>{self.users[user]}</NAME><AUTH_DRIVER>core</AUTH_DRIVER><ENABLED>1</ENABLED><TEMPLATE/></USER>"
        )

    @staticmethod
    def _pool(root: str, items: Any) -> str:
        return f"<{root}>{''.join(items)}</{root}>"
