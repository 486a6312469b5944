"""The tables of one folder's SQLite file, and the steps from one version of them to the next.

`user_version` counts the migrations that a file has been through. A migration that has been released is never edited: a
change of the tables is a new entry at the end.

Small rows live in WITHOUT ROWID tables (one B-tree instead of two). Records do not: their rows are some 500 bytes, and
appended in order of arrival they keep the writes together, while their keys are hashes and would scatter them.

Text sorts by its UTF-8 bytes (the BINARY collation), and every BLOB sorts after every text, so that x'' is an upper
bound above all paths. Columns without a type store what they are given: `size`, `mtime_ns`, `ctime_ns` and `inode` come
from a file system that may use all 64 bits and more, and what SQLite's signed 64 cannot hold is stored as text.
"""

from __future__ import annotations

APPLICATION_ID = 0x5377726D  # "Swrm": tells our files from any other SQLite file

_FIRST = """
CREATE TABLE value(name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE introduction(origin BLOB PRIMARY KEY, raw BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE clock(origin BLOB PRIMARY KEY, seq INTEGER NOT NULL) WITHOUT ROWID;

CREATE TABLE record(
    id INTEGER PRIMARY KEY,
    key BLOB NOT NULL,
    path TEXT NOT NULL,
    origin BLOB NOT NULL,
    seq INTEGER NOT NULL,
    hash BLOB NOT NULL,
    tombstone INTEGER NOT NULL,
    raw BLOB NOT NULL,
    body BLOB NOT NULL
);
CREATE INDEX record_of_register ON record(key);
CREATE INDEX record_by_path ON record(path);
CREATE INDEX record_by_dot ON record(origin, seq);
-- a deleted directory leaves its tombstones: asking whether anything lives there must not walk over them
CREATE INDEX record_alive ON record(path) WHERE NOT tombstone;

CREATE TABLE live_leaf(key BLOB PRIMARY KEY, digest BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE live_node(prefix TEXT PRIMARY KEY, leaves INTEGER NOT NULL, children BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE tombstone_leaf(key BLOB PRIMARY KEY, digest BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE tombstone_node(prefix TEXT PRIMARY KEY, leaves INTEGER NOT NULL, children BLOB NOT NULL) WITHOUT ROWID;

CREATE TABLE claim(name TEXT PRIMARY KEY, source TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX claim_by_source ON claim(source);

CREATE TABLE local(
    path TEXT PRIMARY KEY,
    parent TEXT NOT NULL,
    kind INTEGER NOT NULL,
    size NOT NULL,
    mode INTEGER NOT NULL,
    mtime_ns NOT NULL,
    ctime_ns NOT NULL,
    inode NOT NULL,
    content BLOB NOT NULL,
    target TEXT NOT NULL,
    installed BLOB NOT NULL,
    copy_of TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX local_by_parent ON local(parent);
CREATE INDEX local_by_content ON local(content) WHERE content != x'';

CREATE TABLE manifest_node(id BLOB PRIMARY KEY, raw BLOB NOT NULL) WITHOUT ROWID;

-- a chunk's place names its file by number, so that renaming a file of 4,000 chunks changes one row
CREATE TABLE file(id INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE);
CREATE TABLE place(file INTEGER, offset INTEGER, chunk BLOB NOT NULL, length INTEGER NOT NULL,
    PRIMARY KEY (file, offset)) WITHOUT ROWID;
CREATE INDEX place_by_chunk ON place(chunk);
"""

# What the user of a device that may only read made of its paths.
_CHANGES = "CREATE TABLE change(path TEXT PRIMARY KEY, base BLOB NOT NULL) WITHOUT ROWID;"

MIGRATIONS: tuple[str, ...] = (_FIRST, _CHANGES)

# Every B-tree of the tables above, read through once at both ends when a file is opened: (table, its first key column).
PROBES: tuple[tuple[str, str], ...] = (
    ("value", "name"),
    ("introduction", "origin"),
    ("clock", "origin"),
    ("record", "id"),
    ("record", "key"),
    ("record", "path"),
    ("record", "origin"),
    ("live_leaf", "key"),
    ("live_node", "prefix"),
    ("tombstone_leaf", "key"),
    ("tombstone_node", "prefix"),
    ("claim", "name"),
    ("claim", "source"),
    ("local", "path"),
    ("local", "parent"),
    ("change", "path"),
    ("manifest_node", "id"),
    ("file", "path"),
    ("place", "file"),
    ("place", "chunk"),
)
