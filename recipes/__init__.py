"""What is done to a machine: declared steps, the compiler, SSH; one file a role or service."""
