"""What EC2 answers when it will not, in words for the owner of the VM: why, and what to do next."""

IS_BUSY = frozenset({
    "RequestLimitExceeded", "Throttling", "ThrottlingException", "RequestThrottled", "RequestThrottledException",
    "EC2ThrottledException", "TooManyRequestsException", "BandwidthLimitExceeded", "InternalError", "InternalFailure",
    "ServiceUnavailable", "Unavailable", "SlowDown", "500", "502", "503", "504",
})  # fmt: skip
"""Codes of requests that may be sent again as they are; a number is the status of an answer that has none."""

IS_KEY = frozenset({
    "AuthFailure", "InvalidClientTokenId", "UnrecognizedClientException", "SignatureDoesNotMatch", "RequestExpired",
    "ExpiredToken", "ExpiredTokenException", "Blocked", "OptInRequired", "PendingVerification",
    "MissingAuthenticationToken", "InvalidSignatureException",
})  # fmt: skip
"""Codes of keys that are not taken; what EC2 says beside them is not told on."""

_KEY = "EC2 does not take the key of host {host}: look at EC2_PROFILE in etc/ec2, at ~/.aws and at the clock ({code})"
_NONE = "no key for host {host} was found: set EC2_PROFILE in etc/ec2/hosts/{host}, or write ~/.aws/credentials"

_ADVICE = {
    "NoCredentialsError": _NONE,
    "PartialCredentialsError": _NONE,
    "CredentialRetrievalError": _NONE,
    "ProfileNotFound": "host {host}: {message}. Write it into ~/.aws/config, or correct EC2_PROFILE in etc/ec2",
    "NoRegionError": "no region for host {host}: set EC2_REGION in etc/ec2/hosts/{host} or etc/ec2/ec2rc",
    "InsufficientInstanceCapacity": "EC2 has no such instance left ({message}). Take another INSTANCETYPE or "
    "AVAILABILITYZONE, or try later: onevm recover --retry",
    "InsufficientCapacity": "EC2 has no such instance left ({message}). Try later: onevm recover --retry",
    "InstanceLimitExceeded": "the account may have no more instances ({message}). Have its quota raised, or lower "
    "EC2_CAPACITY",
    "VcpuLimitExceeded": "the account may have no more CPUs ({message}). Have its quota raised, or lower EC2_CAPACITY",
    "MaxSpotInstanceCountExceeded": "the account may have no more spot instances. Have its quota raised, or lower "
    "EC2_CAPACITY",
    "SpotMaxPriceTooLow": "SPOTPRICE is lower than what such an instance costs now ({message}). Raise it, or leave it "
    "out",
    "UnauthorizedOperation": "the key of host {host} may not do that: let its policy allow the action ({message})",
    "OperationNotPermitted": "EC2 does not permit it ({message}). An instance that is protected from termination is "
    "unprotected with Amazon's tools",
    "InvalidAMIID.NotFound": "the AMI is not in region {region} ({message}): an AMI is for one region",
    "InvalidAMIID.Malformed": "AMI is not the id of an image, which looks like ami-0123456789abcdef0 ({message})",
    "InvalidAMIID.Unavailable": "the AMI cannot be used now ({message})",
    "InvalidKeyPair.NotFound": "KEYPAIR is not in region {region} ({message}). Make it there, or correct the name",
    "InvalidGroup.NotFound": "SECURITYGROUPS: {message}. Make it in region {region}, or correct the name",
    "InvalidGroupId.Malformed": "SECURITYGROUPS: {message}",
    "InvalidSecurityGroupID.NotFound": "SECURITYGROUPS: {message}. Make it in region {region}, or correct it",
    "InvalidSubnetID.NotFound": "SUBNETID: {message}. It must be in region {region}",
    "InvalidAddress.NotFound": "ELASTICIP: {message}. Allocate it in region {region}, or correct it",
    "InvalidIPAddress.InUse": "PRIVATEIP is taken ({message})",
    "Unsupported": "EC2 cannot do that there ({message}). Take another INSTANCETYPE or AVAILABILITYZONE",
}
"""EC2's code, or the name of boto3's exception → a sentence with host, region, code, message."""


def advice(code: str, message: str, host: str, region: str) -> str:
    """The sentence for an error. Nothing of a key is in it."""
    if code in IS_KEY:
        return _KEY.format(host=host, code=code)
    known = {"host": host, "region": region or "the default one", "code": code, "message": _plain(message)}
    return _ADVICE.get(code, "EC2 refuses it: {message} ({code})").format(**known)


def _plain(message: str) -> str:
    """Without what is for machines, and without the end that the sentence around it has."""
    return message.partition(" Encoded authorization failure message")[0].rstrip(". ") or "it gives no reason"
