-- What is kept of the records: enough to say in which ones to look. The whole file is read for each question, so that it is
-- small before it is anything else.

-- The part of the ledger that was read: the first `size` entries, whose tree has the root `root`. `newest_root` is the newest
-- trust root that they name.
CREATE TABLE position (
    one INTEGER PRIMARY KEY CHECK (one = 0),
    size INTEGER NOT NULL,
    root BLOB NOT NULL,
    newest_root INTEGER NOT NULL
) STRICT;

-- The runs, in the order of their first entries. `started` is in nanoseconds since 1970. `unread` is 1 if a statement of the run
-- could not be read: then it may be anything. `phases` has the places of the entries of its phases, `marks` what it has to do
-- with; each a sequence of numbers of 5 and of 4 bytes, the lower byte first.
CREATE TABLE run (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    started INTEGER,
    decision TEXT,
    unread INTEGER NOT NULL DEFAULT 0,
    phases BLOB NOT NULL DEFAULT x'',
    marks BLOB NOT NULL DEFAULT x''
) STRICT;

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
