-- What is wrong, from the moment somebody found it until nobody finds it any more, and who was told. kind and subject name it;
-- account_id says whose it is, and is NULL where it is nobody's. message is one line, details is JSON.
--
-- People are told by whoever claims it: claim counts the claims, and one holds until claim_expires_at_ms by the database's
-- clock. delivered_to lists what got through to whom, so that trying again tells nobody twice; notified_open_at and
-- notified_close_at say when everybody knew.
CREATE TABLE incidents (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    account_id INTEGER,
    message TEXT NOT NULL,
    details TEXT NOT NULL,
    opened_at INTEGER NOT NULL,
    last_seen_at INTEGER NOT NULL,
    closed_at INTEGER,
    notified_open_at INTEGER,
    notified_close_at INTEGER,
    claim INTEGER NOT NULL DEFAULT 0,
    claim_expires_at_ms INTEGER NOT NULL DEFAULT 0,
    delivered_to TEXT NOT NULL DEFAULT ''
) STRICT;
-- Of a thing that is wrong one incident is open, however many processes find it at once.
CREATE UNIQUE INDEX incidents_open_idx ON incidents (kind, subject) WHERE closed_at IS NULL;
CREATE INDEX incidents_closed_idx ON incidents (closed_at);
