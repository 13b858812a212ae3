-- Sums of usage by day, so that a question about a year need not read the year's events. All of it follows from usage_events and
-- usage_coverage: it is made anew with every change of them, in the same transaction, and may be deleted and made again.

-- At which width an account, endpoint and UTC day is shown: that of the view usage_best_width, how many events it has at it,
-- and which cuboids of sums stand in usage_rollups: for each the bit of its number, 1 for cuboid 0, 2 for cuboid 1.
CREATE TABLE usage_days (
    day_start INTEGER NOT NULL,
    account_id INTEGER NOT NULL,
    endpoint TEXT NOT NULL,
    width_seconds INTEGER NOT NULL,
    events INTEGER NOT NULL,
    cuboids INTEGER NOT NULL,
    PRIMARY KEY (day_start, account_id, endpoint)
) STRICT, WITHOUT ROWID;

-- The sums of a day at that width, told apart by a set of dimensions (cuboid), packed column by column. A small day has cuboid 0
-- alone, which tells apart every dimension; a larger one has cuboid 1 and those that have few cells beside a finer one.
CREATE TABLE usage_rollups (
    cuboid INTEGER NOT NULL,
    day_start INTEGER NOT NULL,
    account_id INTEGER NOT NULL,
    endpoint TEXT NOT NULL,
    cells BLOB NOT NULL,
    PRIMARY KEY (cuboid, day_start, account_id, endpoint)
) STRICT;

-- Days whose sums nobody may use: their events or coverage were changed, and the sums not made anew yet (writer is 1
-- if events were, 2 if only coverage was, 0 for this migration), or a sum of the day alone is beyond 64 bits (writer is -1). Triggers leave the rows, whoever
-- changes what; this program makes the sums anew before it commits, and takes the rows away.
CREATE TABLE usage_stale_days (
    day_start INTEGER NOT NULL,
    account_id INTEGER NOT NULL,
    endpoint TEXT NOT NULL,
    writer INTEGER NOT NULL,
    PRIMARY KEY (day_start, account_id, endpoint, writer)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER usage_events_insert_stale AFTER INSERT ON usage_events
BEGIN
    INSERT INTO usage_stale_days (day_start, account_id, endpoint, writer)
    VALUES (NEW.window_start - NEW.window_start % 86400, NEW.account_id, NEW.endpoint, 1) ON CONFLICT DO NOTHING;
END;
CREATE TRIGGER usage_events_update_stale AFTER UPDATE ON usage_events
BEGIN
    INSERT INTO usage_stale_days (day_start, account_id, endpoint, writer)
    VALUES (OLD.window_start - OLD.window_start % 86400, OLD.account_id, OLD.endpoint, 1) ON CONFLICT DO NOTHING;
    INSERT INTO usage_stale_days (day_start, account_id, endpoint, writer)
    VALUES (NEW.window_start - NEW.window_start % 86400, NEW.account_id, NEW.endpoint, 1) ON CONFLICT DO NOTHING;
END;
CREATE TRIGGER usage_events_delete_stale AFTER DELETE ON usage_events
BEGIN
    INSERT INTO usage_stale_days (day_start, account_id, endpoint, writer)
    VALUES (OLD.window_start - OLD.window_start % 86400, OLD.account_id, OLD.endpoint, 1) ON CONFLICT DO NOTHING;
END;
CREATE TRIGGER usage_coverage_insert_stale AFTER INSERT ON usage_coverage WHEN NEW.endpoint <> 'costs'
BEGIN
    INSERT INTO usage_stale_days (day_start, account_id, endpoint, writer)
    VALUES (NEW.window_start - NEW.window_start % 86400, NEW.account_id, NEW.endpoint, 2) ON CONFLICT DO NOTHING;
END;
CREATE TRIGGER usage_coverage_update_stale AFTER UPDATE ON usage_coverage WHEN NEW.endpoint <> 'costs'
BEGIN
    INSERT INTO usage_stale_days (day_start, account_id, endpoint, writer)
    VALUES (OLD.window_start - OLD.window_start % 86400, OLD.account_id, OLD.endpoint, 2) ON CONFLICT DO NOTHING;
    INSERT INTO usage_stale_days (day_start, account_id, endpoint, writer)
    VALUES (NEW.window_start - NEW.window_start % 86400, NEW.account_id, NEW.endpoint, 2) ON CONFLICT DO NOTHING;
END;
CREATE TRIGGER usage_coverage_delete_stale AFTER DELETE ON usage_coverage WHEN OLD.endpoint <> 'costs'
BEGIN
    INSERT INTO usage_stale_days (day_start, account_id, endpoint, writer)
    VALUES (OLD.window_start - OLD.window_start % 86400, OLD.account_id, OLD.endpoint, 2) ON CONFLICT DO NOTHING;
END;

-- What stands already is made into sums by `usage migrate`, once this is committed.
INSERT INTO usage_stale_days (day_start, account_id, endpoint, writer)
SELECT window_start - window_start % 86400, account_id, endpoint, 0 FROM usage_events
UNION
SELECT window_start - window_start % 86400, account_id, endpoint, 0 FROM usage_coverage WHERE endpoint <> 'costs';
