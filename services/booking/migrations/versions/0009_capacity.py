"""No session ever has more live seats than places."""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # the session is locked before its seats are counted: of two who take the last place
    # at once the second waits, and then sees the first; its key is left alone, which a
    # new seat's foreign key has locked as well
    op.execute(
        """
        CREATE FUNCTION keep_capacity() RETURNS trigger LANGUAGE plpgsql AS $$
        DECLARE places integer;
        BEGIN
            SELECT capacity INTO places FROM sessions
                WHERE id = NEW.session_id FOR NO KEY UPDATE;
            IF places < (
                SELECT count(*) FROM seats
                WHERE session_id = NEW.session_id
                    AND status IN ('held', 'confirmed', 'in_progress')
            ) THEN
                RAISE EXCEPTION 'a_session_has_a_place_for_every_seat'
                    USING ERRCODE = 'check_violation',
                          CONSTRAINT = 'a_session_has_a_place_for_every_seat';
            END IF;
            RETURN NULL;
        END $$
        """
    )
    op.execute(
        """
        CREATE TRIGGER a_session_has_a_place_for_every_seat
        AFTER INSERT ON seats FOR EACH ROW
        WHEN (NEW.status IN ('held', 'confirmed', 'in_progress'))
        EXECUTE FUNCTION keep_capacity()
        """
    )
    op.execute(
        """
        CREATE TRIGGER a_session_has_a_place_for_every_seat_that_returns
        AFTER UPDATE ON seats FOR EACH ROW
        WHEN (
            OLD.status NOT IN ('held', 'confirmed', 'in_progress')
            AND NEW.status IN ('held', 'confirmed', 'in_progress')
        )
        EXECUTE FUNCTION keep_capacity()
        """
    )
