"""What goes wrong in the stub: errors of EC2, and the orders for them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

WHY = {
    "RequestLimitExceeded": (503, "Request limit exceeded."),
    "InsufficientInstanceCapacity": (
        500,
        "We currently do not have sufficient capacity in the Availability Zone you requested.",
    ),
    "IdempotentParameterMismatch": (400, "Arguments on this idempotent request are inconsistent with arguments used"
                                         " in previous request(s)."),
    "AuthFailure": (401, "AWS was not able to validate the provided access credentials"),
    "UnauthorizedOperation": (403, "You are not authorized to perform this operation."),
    "InstanceLimitExceeded": (400, "Your quota allows for 0 more running instance(s)."),
    "VcpuLimitExceeded": (400, "You have requested more vCPU capacity than your current vCPU limit of 0 allows."),
    "SpotMaxPriceTooLow": (400, "Your Spot request price is lower than the minimum required."),
    "InternalError": (500, "An internal error has occurred."),
    "InvalidInstanceID.NotFound": (400, "The instance ID does not exist"),
    "IncorrectInstanceState": (400, "The instance is not in a valid state for this operation."),
}  # fmt: skip
"""Code of an error → its status and text, as EC2 has them."""

Parameters = Mapping[str, str]


class Refused(Exception):
    """An error of EC2."""

    def __init__(self, code: str, message: str = "") -> None:
        status, usual = WHY.get(code, (400, code))
        super().__init__(message or usual)
        self.code, self.status = code, status


@dataclass
class Fault:
    """What is to go wrong with an action, so many times; without a code its answer is lost after the work was done.

    where  parameters that a request must have for it
    """

    action: str
    code: str
    times: int
    where: Mapping[str, str] = field(default_factory=dict)
    message: str = ""

    def fits(self, action: str, parameters: Parameters) -> bool:
        return (
            self.times > 0
            and self.action in (action, "*")
            and all(parameters.get(name) == value for name, value in self.where.items())
        )
