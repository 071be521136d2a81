"""What AWS's machines cost, as a table: its price list is an API of its own that answers in one region only.

Instances: Linux, on demand, US dollars an hour, read from a copy of AWS's price list of 2025-03-02; within a family a
price grows with the size, so one number a region stands for all sizes, and a region is here when at least two sizes of
the family agreed on it. Disks: gp3, US dollars for a GB and month (aws.amazon.com/ebs/pricing, copy of 2021-07).
Public IPv4: half a cent an hour everywhere (aws.amazon.com/vpc/pricing, since 2024-02).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

#: Hours of a month, as AWS's calculator has them.
_HOURS = 730
_IPV4_PER_HOUR = Decimal("0.005")

SEEN = "2025-03-02"


@dataclass(frozen=True, slots=True)
class Shape:
    """A type of instance and the disk it gets here.

    Attributes:
        units: its price in units of its family's number.
        disk_gib: EC2's types have no disk of their own; this is the size of the volume.
    """

    name: str
    cpus: int
    memory_mib: int
    disk_gib: int
    units: int

    @property
    def family(self) -> str:
        return self.name.partition(".")[0]


#: CPUs and memory: aws.amazon.com/ec2/instance-types. t3.nano (512 MiB) holds nothing of ours.
SHAPES: Mapping[str, Shape] = {
    shape.name: shape
    for shape in (
        Shape("t3.micro", 2, 1024, 20, 2),
        Shape("t3.small", 2, 2048, 30, 4),
        Shape("t3.medium", 2, 4096, 40, 8),
        Shape("t3.large", 2, 8192, 60, 16),
        Shape("t3.xlarge", 4, 16384, 80, 32),
        Shape("t3.2xlarge", 8, 32768, 120, 64),
        Shape("c6i.large", 2, 4096, 40, 1),
        Shape("c6i.xlarge", 4, 8192, 60, 2),
        Shape("c6i.2xlarge", 8, 16384, 80, 4),
        Shape("m6i.large", 2, 8192, 60, 1),
        Shape("m6i.xlarge", 4, 16384, 80, 2),
        Shape("m6i.2xlarge", 8, 32768, 120, 4),
        Shape("m6i.4xlarge", 16, 65536, 160, 8),
    )
}

#: Region: t3.nano, m6i.large, c6i.large ("" where no two sizes agreed), a GB of gp3.
_TABLE = """
af-south-1      0.006775  0.127  0.114   0.1047
ap-east-1       0.0073    0.132  0.108   0.1056
ap-northeast-1  0.0068    0.124  0.107   0.096
ap-northeast-2  0.0065    0.118  0.096   0.0912
ap-northeast-3  0.0068    0.124  -       0.096
ap-south-1      0.0056    0.101  0.085   0.0912
ap-southeast-1  0.0066    0.12   0.098   0.096
ap-southeast-2  0.0066    0.12   0.111   0.096
ca-central-1    0.0058    0.107  0.093   0.088
eu-central-1    0.006     0.115  0.097   0.0952
eu-north-1      0.0054    0.102  0.091   0.0836
eu-south-1      0.005987  0.112  0.101   0.0924
eu-west-1       0.0057    0.107  0.0912  0.088
eu-west-2       0.0059    0.111  0.101   0.0928
eu-west-3       0.0059    0.112  0.1111  0.0928
me-south-1      0.00625   0.132  0.1056  0.0968
sa-east-1       0.0084    0.153  0.131   0.152
us-east-1       0.0052    0.096  0.085   0.08
us-east-2       0.0052    0.096  0.085   0.08
us-west-1       0.0062    0.112  0.106   0.096
us-west-2       0.0052    0.096  0.085   0.08
"""


@dataclass(frozen=True, slots=True)
class _Region:
    per_hour: Mapping[str, Decimal]
    disk_per_gb: Decimal


def _regions() -> Mapping[str, _Region]:
    found = {}
    for line in _TABLE.strip().splitlines():
        region, *columns, disk = line.split()
        prices = zip(("t3", "m6i", "c6i"), columns, strict=True)
        found[region] = _Region({name: Decimal(text) for name, text in prices if text != "-"}, Decimal(disk))
    return found


_REGIONS = _regions()


def known(region: str) -> bool:
    """Whether prices of that region are known."""
    return region in _REGIONS


def per_month(region: str, shape: Shape) -> Decimal | None:
    """A machine with its disk and its public IPv4 address, in US dollars; None where that is not known."""
    prices = _REGIONS.get(region)
    per_hour = prices.per_hour.get(shape.family) if prices else None
    if prices is None or per_hour is None:
        return None
    whole = (per_hour * shape.units + _IPV4_PER_HOUR) * _HOURS + prices.disk_per_gb * shape.disk_gib
    return whole.quantize(Decimal("0.01"))
