"""Clouds: machines, networks, firewalls, DNS, buckets. One file a vendor, one contract for all."""
