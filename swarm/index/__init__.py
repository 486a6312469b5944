"""The index: records, versions, the view and the Merkle trie. Pure."""
