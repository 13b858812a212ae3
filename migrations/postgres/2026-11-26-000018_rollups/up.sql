-- Sums of usage by day, so that a question about a year need not read the year's events. All of it follows from usage_events and
-- usage_coverage: it is made anew with every change of them, in the same transaction, and may be deleted and made again.

-- At which width an account, endpoint and UTC day is shown: that of the view usage_best_width, and how many events it has at it.
CREATE TABLE usage_days (
    day_start BIGINT NOT NULL,
    account_id BIGINT NOT NULL,
    endpoint TEXT NOT NULL,
    width_seconds BIGINT NOT NULL,
    events BIGINT NOT NULL,
    PRIMARY KEY (day_start, account_id, endpoint)
);

-- The sums of a day at that width, told apart by a set of dimensions (cuboid), packed column by column. A small day has cuboid 0
-- alone, which tells apart every dimension.
CREATE TABLE usage_rollups (
    cuboid BIGINT NOT NULL,
    day_start BIGINT NOT NULL,
    account_id BIGINT NOT NULL,
    endpoint TEXT NOT NULL,
    cells BYTEA NOT NULL,
    PRIMARY KEY (cuboid, day_start, account_id, endpoint)
);

-- Days whose sums nobody may use: somebody changed their events or coverage without making the sums anew, as older programs and
-- people do (writer names the transaction), or a sum of the day alone is beyond 64 bits (writer is -1).
CREATE TABLE usage_stale_days (
    day_start BIGINT NOT NULL,
    account_id BIGINT NOT NULL,
    endpoint TEXT NOT NULL,
    writer BIGINT NOT NULL,
    PRIMARY KEY (day_start, account_id, endpoint, writer)
);

CREATE FUNCTION usage_mark_stale_day() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' AND OLD.endpoint <> 'costs' THEN
        INSERT INTO usage_stale_days (day_start, account_id, endpoint, writer)
        VALUES (OLD.window_start - OLD.window_start % 86400, OLD.account_id, OLD.endpoint, txid_current())
        ON CONFLICT DO NOTHING;
        IF FOUND THEN
            UPDATE data_versions SET version = txid_current() WHERE account_id = OLD.account_id;
        END IF;
    END IF;
    IF TG_OP <> 'DELETE' AND NEW.endpoint <> 'costs' THEN
        INSERT INTO usage_stale_days (day_start, account_id, endpoint, writer)
        VALUES (NEW.window_start - NEW.window_start % 86400, NEW.account_id, NEW.endpoint, txid_current())
        ON CONFLICT DO NOTHING;
        IF FOUND THEN
            UPDATE data_versions SET version = txid_current() WHERE account_id = NEW.account_id;
        END IF;
    END IF;
    RETURN NULL;
END $$;

-- A program that makes the sums anew says so, for its transaction, and is left alone.
CREATE TRIGGER usage_events_stale AFTER INSERT OR UPDATE OR DELETE ON usage_events FOR EACH ROW
    WHEN (current_setting('usage.rollups', true) IS DISTINCT FROM 'kept') EXECUTE FUNCTION usage_mark_stale_day();
CREATE TRIGGER usage_coverage_stale AFTER INSERT OR UPDATE OR DELETE ON usage_coverage FOR EACH ROW
    WHEN (current_setting('usage.rollups', true) IS DISTINCT FROM 'kept') EXECUTE FUNCTION usage_mark_stale_day();

-- What stands already is made into sums by `usage migrate`, once this is committed.
INSERT INTO usage_stale_days (day_start, account_id, endpoint, writer)
SELECT window_start - window_start % 86400, account_id, endpoint, 0 FROM usage_events
UNION
SELECT window_start - window_start % 86400, account_id, endpoint, 0 FROM usage_coverage WHERE endpoint <> 'costs';
