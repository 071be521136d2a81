"""The HTTP side: the part of the DigitalOcean v2 API that the driver uses, one file a resource."""
