"""Keys: the chain of folder secrets, printed keys, device identity, certificates, sealing."""
