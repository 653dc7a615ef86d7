-- The highest place of an event that went with the rows of a deleted session, by owner. It outlives
-- sessions and people: readers of all agents with an older cursor are told of the gap.
CREATE TABLE removed (
    owner_id TEXT NOT NULL PRIMARY KEY,
    through_pos BIGINT NOT NULL
);
