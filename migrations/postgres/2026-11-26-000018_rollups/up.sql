-- Sums of usage by day, so that a question about a year need not read the year's events. All of it follows from usage_events and
-- usage_coverage: it is made anew with every change of them, in the same transaction, and may be deleted and made again.

-- At which width an account, endpoint and UTC day is shown: that of the view usage_best_width, how many events it has at it,
-- and which cuboids of sums stand in usage_rollups: for each the bit of its number, 1 for cuboid 0, 2 for cuboid 1.
CREATE TABLE usage_days (
    day_start BIGINT NOT NULL,
    account_id BIGINT NOT NULL,
    endpoint TEXT NOT NULL,
    width_seconds BIGINT NOT NULL,
    events BIGINT NOT NULL,
    cuboids BIGINT NOT NULL,
    PRIMARY KEY (day_start, account_id, endpoint)
);

-- The sums of a day at that width, told apart by a set of dimensions (cuboid), packed column by column. A small day has cuboid 0
-- alone, which tells apart every dimension; a larger one has cuboid 1 and those that have few cells beside a finer one.
CREATE TABLE usage_rollups (
    cuboid BIGINT NOT NULL,
    day_start BIGINT NOT NULL,
    account_id BIGINT NOT NULL,
    endpoint TEXT NOT NULL,
    cells BYTEA NOT NULL,
    PRIMARY KEY (cuboid, day_start, account_id, endpoint)
);
-- They are packed already: packing them again costs more time than it saves space.
ALTER TABLE usage_rollups ALTER COLUMN cells SET STORAGE EXTERNAL;

-- Days whose sums nobody may use: their events or coverage were changed, and the sums not made anew yet (writer names the
-- transaction, twice its number and one more if it changed events: 0 is this migration), or a sum of the day alone is beyond 64 bits (writer is -1). Triggers leave the rows, whoever
-- changes what; this program makes the sums anew before it commits, and takes the rows away.
CREATE TABLE usage_stale_days (
    day_start BIGINT NOT NULL,
    account_id BIGINT NOT NULL,
    endpoint TEXT NOT NULL,
    writer BIGINT NOT NULL,
    PRIMARY KEY (day_start, account_id, endpoint, writer)
);

-- Once for each statement, however many rows it changed.
CREATE FUNCTION usage_mark_stale_days() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        INSERT INTO usage_stale_days (day_start, account_id, endpoint, writer)
        SELECT DISTINCT window_start - window_start % 86400, account_id, endpoint,
            txid_current() * 2 + CASE TG_TABLE_NAME WHEN 'usage_events' THEN 1 ELSE 0 END FROM old_rows
        WHERE endpoint <> 'costs' ON CONFLICT DO NOTHING;
    END IF;
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO usage_stale_days (day_start, account_id, endpoint, writer)
        SELECT DISTINCT window_start - window_start % 86400, account_id, endpoint,
            txid_current() * 2 + CASE TG_TABLE_NAME WHEN 'usage_events' THEN 1 ELSE 0 END FROM new_rows
        WHERE endpoint <> 'costs' ON CONFLICT DO NOTHING;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER usage_events_insert_stale AFTER INSERT ON usage_events
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION usage_mark_stale_days();
CREATE TRIGGER usage_events_update_stale AFTER UPDATE ON usage_events
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION usage_mark_stale_days();
CREATE TRIGGER usage_events_delete_stale AFTER DELETE ON usage_events
    REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION usage_mark_stale_days();
CREATE TRIGGER usage_coverage_insert_stale AFTER INSERT ON usage_coverage
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION usage_mark_stale_days();
CREATE TRIGGER usage_coverage_update_stale AFTER UPDATE ON usage_coverage
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION usage_mark_stale_days();
CREATE TRIGGER usage_coverage_delete_stale AFTER DELETE ON usage_coverage
    REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION usage_mark_stale_days();

-- What stands already is made into sums by `usage migrate`, once this is committed.
INSERT INTO usage_stale_days (day_start, account_id, endpoint, writer)
SELECT window_start - window_start % 86400, account_id, endpoint, 0 FROM usage_events
UNION
SELECT window_start - window_start % 86400, account_id, endpoint, 0 FROM usage_coverage WHERE endpoint <> 'costs';
