"""The distributed hash table: finding members anywhere, by nothing but the folder's key. Kademlia, hardened."""
