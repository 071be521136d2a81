"""What can be had: regions, sizes with the vendor's prices, and base images."""

from __future__ import annotations

from dataclasses import dataclass

from rehearsal.api.answers import Answer, Call, Operation, not_found, page, unprocessable
from rehearsal.store import Store, Thing


@dataclass(frozen=True, slots=True)
class SizeFacts:
    """A size: what the vendor's price list says of it; money in US dollars, transfer in TiB."""

    slug: str
    cpus: int
    memory_mib: int
    disk_gib: int
    transfer_tib: float
    monthly: float
    hourly: float


#: The vendor's regular shared-CPU sizes and their prices (its public price list).
SIZES = (
    SizeFacts("s-1vcpu-512mb-10gb", 1, 512, 10, 0.5, 4.0, 0.00595),
    SizeFacts("s-1vcpu-1gb", 1, 1024, 25, 1.0, 6.0, 0.00893),
    SizeFacts("s-1vcpu-2gb", 1, 2048, 50, 2.0, 12.0, 0.01786),
    SizeFacts("s-2vcpu-2gb", 2, 2048, 60, 3.0, 18.0, 0.02679),
    SizeFacts("s-2vcpu-4gb", 2, 4096, 80, 4.0, 24.0, 0.03571),
    SizeFacts("s-4vcpu-8gb", 4, 8192, 160, 5.0, 48.0, 0.07143),
    SizeFacts("s-8vcpu-16gb", 8, 16384, 320, 6.0, 96.0, 0.14286),
)
#: All of them are this machine; several, so that a choice of region can be rehearsed.
REGIONS = {"ams3": "Amsterdam 3", "fra1": "Frankfurt 1", "lon1": "London 1", "nyc3": "New York 3"}


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """A base image; ``release`` is what the machine room builds it from."""

    id: int
    slug: str
    name: str
    distribution: str
    release: str


#: What the machine room can build.
IMAGES = (ImageFacts(1, "debian-12-x64", "12 x64", "Debian", "bookworm"),)
#: Ids of snapshots begin after those of base images.
FIRST_SNAPSHOT_ID = 1001
_IMAGES_SINCE = "2023-06-10T00:00:00Z"


def size_of(slug: str) -> SizeFacts:
    """The size of that name, refused when there is none."""
    for size in SIZES:
        if size.slug == slug:
            return size
    raise unprocessable("You specified an invalid size for Droplet creation.")


def check_region(slug: str) -> str:
    """The slug, refused when there is no such region."""
    if slug not in REGIONS:
        raise unprocessable("You specified an invalid region for Droplet creation.")
    return slug


def size_body(size: SizeFacts) -> Thing:
    """A size as the API shows it."""
    return {
        "slug": size.slug,
        "memory": size.memory_mib,
        "vcpus": size.cpus,
        "disk": size.disk_gib,
        "transfer": size.transfer_tib,
        "price_monthly": size.monthly,
        "price_hourly": size.hourly,
        "regions": sorted(REGIONS),
        "available": True,
        "description": "Basic",
    }


def region_body(slug: str) -> Thing:
    """A region as the API shows it."""
    return {
        "slug": slug,
        "name": REGIONS[slug],
        "features": ["backups", "ipv6", "metadata", "install_agent", "storage", "image_transfer"],
        "available": True,
        "sizes": [size.slug for size in SIZES],
    }


def image_body(image: ImageFacts) -> Thing:
    """A base image as the API shows it."""
    return {
        "id": image.id,
        "name": image.name,
        "distribution": image.distribution,
        "slug": image.slug,
        "public": True,
        "type": "base",
        "regions": sorted(REGIONS),
        "created_at": _IMAGES_SINCE,
        "min_disk_size": 7,
        "size_gigabytes": 0.3,
        "description": f"{image.distribution} {image.name}",
        "tags": [],
        "status": "available",
        "_release": image.release,
    }


def find_image(store: Store, wanted: object) -> Thing | None:
    """An image by slug or id, base or snapshot; with ``_release`` for the machine room."""
    for image in IMAGES:
        if wanted in (image.slug, image.id, str(image.id)):
            return image_body(image)
    if isinstance(wanted, int) or (isinstance(wanted, str) and wanted.isdigit()):
        return store.get("image", wanted)
    return None


class Catalogue:
    """Regions, sizes, base images; the account's own images are listed beside them.

    Args:
        store: holds the snapshots.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def operations(self) -> tuple[Operation, ...]:
        """What it answers."""
        return (
            Operation("GET", "/v2/regions", self._regions),
            Operation("GET", "/v2/sizes", self._sizes),
            Operation("GET", "/v2/images", self._images),
            Operation("GET", "/v2/images/{image}", self._image),
        )

    def _regions(self, call: Call) -> Answer:
        return page(call, "regions", [region_body(slug) for slug in REGIONS])

    def _sizes(self, call: Call) -> Answer:
        return page(call, "sizes", [size_body(size) for size in SIZES])

    def _images(self, call: Call) -> Answer:
        images = self._store.all("image")
        if call.query.get("private") != "true":
            images = [image_body(image) for image in IMAGES] + images
        if (wanted := call.query.get("type")) is not None:
            images = [image for image in images if wanted == "distribution" and image["public"]]
        if (tag := call.query.get("tag_name")) is not None:
            images = [image for image in images if tag in image["tags"]]
        return page(call, "images", [_shown(image) for image in images])

    def _image(self, call: Call) -> Answer:
        image = find_image(self._store, call.path["image"])
        if image is None:
            raise not_found()
        return Answer(200, {"image": _shown(image)})


def _shown(image: Thing) -> Thing:
    return {key: value for key, value in image.items() if not key.startswith("_")}
