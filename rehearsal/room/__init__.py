"""The machine room of the rehearsal: real machines in namespaces, on a network of their own. Knows nothing of HTTP."""
