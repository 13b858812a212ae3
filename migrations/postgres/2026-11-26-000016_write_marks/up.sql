-- Which transactions took effect, for the program whose connection was lost before the answer to COMMIT came: every write leaves
-- a random token, and whoever does it again finds the token standing. A mark is deleted by the next write of its process, or a
-- day later by another's. marked_at_ms is by the database's clock, as are leases; confirmations counts who found it standing.
CREATE TABLE write_marks (
    token BYTEA NOT NULL PRIMARY KEY,
    marked_at_ms BIGINT NOT NULL,
    confirmations BIGINT NOT NULL DEFAULT 0
);
