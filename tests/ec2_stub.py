"""EC2 and S3 on this machine, for tests (share/lab/ec2_stub.py)."""

from share.lab.ec2_stub import REGION, Ec2Stub

__all__ = ["REGION", "Ec2Stub"]
