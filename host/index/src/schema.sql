-- What is kept of the records: enough to say in which ones to look.

-- The part of the ledger that was read: the first `size` entries, whose tree has the root `root`. `newest_root` is the newest
-- trust root that they name.
CREATE TABLE position (
    one INTEGER PRIMARY KEY CHECK (one = 0),
    size INTEGER NOT NULL,
    root BLOB NOT NULL,
    newest_root INTEGER NOT NULL
) STRICT;

-- The runs, in the order of their first entries. `started` is in nanoseconds since 1970. `unread` if a statement of the run could not be read: then it
-- may be anything.
CREATE TABLE run (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    started INTEGER,
    decision TEXT,
    unread INTEGER NOT NULL DEFAULT 0
) STRICT;

-- The ledger's entries of the phases of a run.
CREATE TABLE phase (
    run INTEGER NOT NULL,
    entry INTEGER NOT NULL,
    PRIMARY KEY (run, entry)
) WITHOUT ROWID, STRICT;

CREATE TABLE approval (
    run TEXT NOT NULL,
    entry INTEGER NOT NULL,
    PRIMARY KEY (run, entry)
) WITHOUT ROWID, STRICT;

CREATE TABLE alias_move (
    alias TEXT NOT NULL,
    entry INTEGER NOT NULL,
    run TEXT NOT NULL,
    PRIMARY KEY (alias, entry)
) WITHOUT ROWID, STRICT;
CREATE INDEX alias_move_of_run ON alias_move (run, entry);

CREATE TABLE trust_root (
    version INTEGER NOT NULL,
    entry INTEGER NOT NULL,
    PRIMARY KEY (version, entry)
) WITHOUT ROWID, STRICT;

-- What a run has to do with, as marks: 32 bits of a hash. So a mark may lead to a run that has nothing to do with it, and never
-- misses one that has.
CREATE TABLE mark (
    mark INTEGER NOT NULL,
    run INTEGER NOT NULL,
    PRIMARY KEY (mark, run)
) WITHOUT ROWID, STRICT;
