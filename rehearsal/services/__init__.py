"""The services beside the machines: object store, name server and resolver, certificate authority, apt cache."""
