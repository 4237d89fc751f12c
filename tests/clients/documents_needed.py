"""What clients read from the documents, and raise or go wrong without.

A row: the element that the names are below, who reads them, what each must be, and the names. "PERMISSIONS/*" stands
for the nine bits.

    integer    a whole number
    decimal    a number
    filled     text, not empty
    text       there, with or without text
    container  there, with or without children
"""

from dataclasses import dataclass

TABLE = """
VM                           pyone   integer   ID UID GID PERMISSIONS/* LAST_POLL STATE LCM_STATE PREV_STATE
VM                           pyone   integer   PREV_LCM_STATE RESCHED STIME ETIME
VM                           pyone   text      DEPLOY_ID
VM                           pyone   filled    UNAME GNAME NAME
VM                           pyone   container MONITORING TEMPLATE USER_TEMPLATE HISTORY_RECORDS BACKUPS/BACKUP_IDS
VM                           goca    decimal   TEMPLATE/CPU TEMPLATE/MEMORY
VM                           Ansible filled    TEMPLATE/CPU TEMPLATE/MEMORY TEMPLATE/VCPU TEMPLATE/TEMPLATE_ID
VM                           Ansible filled    TEMPLATE/NIC/IP TEMPLATE/NIC/MAC TEMPLATE/NIC/NETWORK
VM                           Ansible filled    TEMPLATE/DISK/SIZE TEMPLATE/DISK/DISK_ID TEMPLATE/DISK/IMAGE
VM                           Ansible filled    TEMPLATE/NIC/SECURITY_GROUPS USER_TEMPLATE/LABELS
VM                           ruby-2  integer   MEMORY CPU NET_TX NET_RX HISTORY/HID
VM                           ruby-2  filled    HISTORY/HOSTNAME
VM/HISTORY_RECORDS/HISTORY   pyone   integer   OID SEQ HID CID STIME ETIME DS_ID PSTIME PETIME RSTIME RETIME ESTIME
VM/HISTORY_RECORDS/HISTORY   pyone   integer   EETIME ACTION UID GID
VM/HISTORY_RECORDS/HISTORY   Ansible filled    HOSTNAME
VM/HISTORY_RECORDS/HISTORY   goca    filled    VM_MAD TM_MAD
VM/HISTORY_RECORDS/HISTORY   ruby-3  filled    VMMMAD TMMAD REASON
HOST                         pyone   integer   ID STATE PREV_STATE CLUSTER_ID
HOST                         pyone   filled    NAME IM_MAD VM_MAD CLUSTER
HOST                         pyone   container VMS TEMPLATE MONITORING
HOST                         oca     integer   LAST_MON_TIME
HOST                         oca     text      VN_MAD
HOST                         ruby-2  text      TM_MAD
HOST/HOST_SHARE              pyone   integer   MEM_USAGE CPU_USAGE TOTAL_MEM TOTAL_CPU MAX_MEM MAX_CPU RUNNING_VMS
HOST/HOST_SHARE              pyone   integer   VMS_THREAD DATASTORES/DISK_USAGE DATASTORES/FREE_DISK
HOST/HOST_SHARE              pyone   integer   DATASTORES/MAX_DISK DATASTORES/USED_DISK
HOST/HOST_SHARE              pyone   container PCI_DEVICES NUMA_NODES
HOST/HOST_SHARE              ruby-2  integer   DISK_USAGE MAX_DISK FREE_DISK USED_DISK FREE_MEM FREE_CPU USED_MEM
HOST/HOST_SHARE              ruby-2  integer   USED_CPU HID
USER                         pyone   integer   ID GID ENABLED GROUPS/ID
USER                         pyone   filled    GNAME NAME AUTH_DRIVER
USER                         oca     filled    PASSWORD
USER                         pyone   container GROUPS TEMPLATE
GROUP                        pyone   integer   ID
GROUP                        pyone   filled    NAME
GROUP                        pyone   container TEMPLATE USERS ADMINS
CLUSTER                      pyone   integer   ID
CLUSTER                      pyone   filled    NAME
CLUSTER                      pyone   container HOSTS DATASTORES VNETS TEMPLATE
DATASTORE                    pyone   integer   ID UID GID PERMISSIONS/* TYPE DISK_TYPE STATE TOTAL_MB FREE_MB USED_MB
DATASTORE                    pyone   filled    UNAME GNAME NAME DS_MAD TM_MAD
DATASTORE                    pyone   text      BASE_PATH
DATASTORE                    pyone   container CLUSTERS IMAGES TEMPLATE
DATASTORE                    oca     integer   CLUSTER_ID
DATASTORE                    oca     text      CLUSTER
VNET                         pyone   integer   ID UID GID PERMISSIONS/* USED_LEASES STATE PREV_STATE
VNET                         pyone   filled    UNAME GNAME NAME VN_MAD
VNET                         pyone   text      BRIDGE BRIDGE_TYPE PARENT_NETWORK_ID PHYDEV VLAN_ID OUTER_VLAN_ID
VNET                         pyone   text      VLAN_ID_AUTOMATIC OUTER_VLAN_ID_AUTOMATIC
VNET                         pyone   container CLUSTERS VROUTERS UPDATED_VMS OUTDATED_VMS UPDATING_VMS ERROR_VMS
VNET                         pyone   container TEMPLATE AR_POOL
VNET                         ruby-2  integer   TYPE PUBLIC TOTAL_LEASES
VNET/AR_POOL/AR              pyone   integer   AR_ID SIZE
VNET/AR_POOL/AR              pyone   filled    TYPE MAC
IMAGE                        pyone   integer   ID UID GID PERMISSIONS/* TYPE DISK_TYPE PERSISTENT REGTIME SIZE STATE
IMAGE                        pyone   integer   PREV_STATE RUNNING_VMS CLONING_OPS CLONING_ID TARGET_SNAPSHOT
IMAGE                        pyone   integer   DATASTORE_ID
IMAGE                        pyone   filled    UNAME GNAME NAME DATASTORE
IMAGE                        pyone   text      SOURCE PATH FORMAT FS
IMAGE                        pyone   container VMS CLONES APP_CLONES TEMPLATE SNAPSHOTS
IMAGE                        oca     text      FSTYPE
IMAGE                        ruby-2  integer   PUBLIC
VMTEMPLATE                   pyone   integer   ID UID GID PERMISSIONS/* REGTIME
VMTEMPLATE                   pyone   filled    UNAME GNAME NAME
VMTEMPLATE                   pyone   container TEMPLATE
VMTEMPLATE                   ruby-3  integer   PUBLIC
ACL                          pyone   integer   ID
ACL                          pyone   filled    USER RESOURCE RIGHTS ZONE STRING
DOCUMENT                     pyone   integer   ID UID GID TYPE PERMISSIONS/*
DOCUMENT                     pyone   filled    UNAME GNAME NAME
DOCUMENT                     pyone   container TEMPLATE
HOOK                         pyone   integer   ID
HOOK                         pyone   filled    NAME TYPE
HOOK                         pyone   container TEMPLATE
SECURITY_GROUP               pyone   integer   ID UID GID PERMISSIONS/*
SECURITY_GROUP               pyone   filled    UNAME GNAME NAME
SECURITY_GROUP               pyone   container UPDATED_VMS OUTDATED_VMS UPDATING_VMS ERROR_VMS TEMPLATE
ZONE                         pyone   integer   ID STATE
ZONE                         pyone   filled    NAME TEMPLATE/ENDPOINT
VDC                          pyone   integer   ID
VDC                          pyone   filled    NAME
VDC                          pyone   container GROUPS CLUSTERS HOSTS DATASTORES VNETS TEMPLATE
"""

IN_INFO_ONLY = """
VNET/AR_POOL/AR              pyone   filled    MAC_END
VNET/AR_POOL/AR              goca    integer   USED_LEASES
VNET/AR_POOL/AR              pyone   container LEASES
VNET/AR_POOL/AR/LEASES/LEASE pyone   integer   VM
VNET/AR_POOL/AR/LEASES/LEASE pyone   filled    IP MAC
VNET/LEASES/LEASE            ruby-2  integer   USED VID
VNET/LEASES/LEASE            ruby-2  filled    IP MAC
USER                         pyone   container DATASTORE_QUOTA NETWORK_QUOTA VM_QUOTA IMAGE_QUOTA DEFAULT_USER_QUOTAS
GROUP                        pyone   container DATASTORE_QUOTA NETWORK_QUOTA VM_QUOTA IMAGE_QUOTA DEFAULT_GROUP_QUOTAS
HOOK                         pyone   container HOOKLOG
"""
"""What pools leave out."""

MONITORING = """
MONITORING_DATA/MONITORING   pyone   integer   ID TIMESTAMP
"""

ACCOUNTING = """
HISTORY_RECORDS/HISTORY      oneacct integer   OID SEQ HID STIME ETIME VM/ID VM/UID VM/GID
HISTORY_RECORDS/HISTORY      oneacct filled    HOSTNAME VM/TEMPLATE/CPU VM/TEMPLATE/MEMORY VM/UNAME VM/GNAME
"""

BITS = [f"{who}_{what}" for who in ("OWNER", "GROUP", "OTHER") for what in "UMA"]


@dataclass(frozen=True)
class Need:
    """An element below each one of a path."""

    path: str
    who: str
    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.path}/{self.name}: {self.who} needs it to be {self.kind}"


def needs(table: str, root: str) -> list[Need]:
    """The rows of a table for a root, one need per name."""
    found = []
    for line in filter(None, table.split("\n")):
        path, who, kind, *names = line.split()
        if path.split("/")[0] == root:
            found += [Need(path, who, kind, name) for listed in names for name in _spelled_out(listed)]
    return found


def _spelled_out(name: str) -> list[str]:
    return [name.replace("*", bit) for bit in BITS] if name.endswith("*") else [name]
