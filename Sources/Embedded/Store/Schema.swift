import GRDB

/// The tables of `apus.sqlite`. A change is a new migration; those that were released never change.
enum Schema {
    static var migrator: DatabaseMigrator {
        var migrator = DatabaseMigrator()
        migrator.registerMigration("1 timelines and inboxes") { db in
            // Users have small numbers, so that the rows below stay short.
            try db.execute(
                sql: """
                    CREATE TABLE users (
                        user INTEGER PRIMARY KEY,
                        name TEXT NOT NULL UNIQUE,
                        epoch TEXT NOT NULL,
                        seq INTEGER NOT NULL,
                        last TEXT NOT NULL
                    );
                    CREATE TABLE events (
                        user INTEGER NOT NULL,
                        seq INTEGER NOT NULL,
                        id TEXT NOT NULL,
                        at INTEGER NOT NULL,     -- milliseconds since 1970, when it was appended
                        frame BLOB NOT NULL,
                        PRIMARY KEY (user, seq)
                    ) WITHOUT ROWID;
                    """)
            // `place` is the seq of the event that brought the item: it orders the inbox and is the cursor of pages.
            // The partial indices hold the unread and the mortal only; counting touches nothing else.
            try db.execute(
                sql: """
                    CREATE TABLE items (
                        item INTEGER PRIMARY KEY,
                        user INTEGER NOT NULL,
                        place INTEGER NOT NULL,
                        id TEXT NOT NULL,
                        category TEXT NOT NULL,
                        collapse TEXT,
                        expires INTEGER,         -- milliseconds since 1970
                        read INTEGER NOT NULL,
                        rest BLOB NOT NULL
                    );
                    CREATE UNIQUE INDEX items_place ON items (user, place);
                    CREATE UNIQUE INDEX items_id ON items (user, id);
                    CREATE INDEX items_unread ON items (user, category, expires) WHERE read = 0;
                    CREATE INDEX items_collapse ON items (user, collapse) WHERE read = 0 AND collapse IS NOT NULL;
                    CREATE INDEX items_expiry ON items (expires, user) WHERE expires IS NOT NULL;
                    """)
            // What was appended within the horizon; `item` when it was collapsed into another one.
            try db.execute(
                sql: """
                    CREATE TABLE dedup (
                        user INTEGER NOT NULL,
                        seq INTEGER NOT NULL,
                        id TEXT NOT NULL,
                        item TEXT,
                        at INTEGER NOT NULL,
                        PRIMARY KEY (user, seq)
                    ) WITHOUT ROWID;
                    CREATE UNIQUE INDEX dedup_id ON dedup (user, id);
                    """)
        }
        migrator.registerMigration("2 conversations", migrate: conversations)
        return migrator
    }

    private static func conversations(_ db: Database) throws {
        try db.execute(sql: conversationTables + logTables + membershipTables)
    }

    // A conversation may be here for its name alone: `number` 0 means that nothing ever happened in it.
    // Who was removed stays in `members`, so that the removal can still be told; `place` is the order of joining.
    // `unfinished` is the set of what has to be brought to members (ADR 12).
    private static let conversationTables = """
        CREATE TABLE conversations (
            conversation INTEGER PRIMARY KEY,
            name TEXT NOT NULL UNIQUE,
            number INTEGER NOT NULL DEFAULT 0,   -- of the newest entry
            id TEXT NOT NULL DEFAULT '',         -- of the newest entry
            at INTEGER NOT NULL DEFAULT 0,       -- milliseconds since 1970, of the newest entry
            messages INTEGER NOT NULL DEFAULT 0,
            members INTEGER NOT NULL DEFAULT 0,
            owner INTEGER,
            title TEXT
        );
        CREATE TABLE members (
            conversation INTEGER NOT NULL,
            user INTEGER NOT NULL,
            place INTEGER NOT NULL,
            joined INTEGER NOT NULL,             -- number of the entry
            hidden INTEGER NOT NULL,             -- messages before that entry: not for this member
            own INTEGER NOT NULL,                -- messages of this member since then
            read INTEGER NOT NULL,
            read_own INTEGER NOT NULL,
            delivered INTEGER NOT NULL,
            blocks INTEGER NOT NULL,
            removed INTEGER,                     -- number of the entry
            PRIMARY KEY (conversation, user)
        ) WITHOUT ROWID;
        CREATE UNIQUE INDEX members_place ON members (conversation, place) WHERE removed IS NULL;
        CREATE INDEX members_removed ON members (conversation, removed) WHERE removed IS NOT NULL;
        CREATE TABLE unfinished (
            conversation INTEGER PRIMARY KEY,
            mark INTEGER NOT NULL,               -- number of the entry
            at INTEGER NOT NULL,                 -- milliseconds since 1970
            claimed INTEGER NOT NULL,            -- until when; milliseconds since 1970
            narrow INTEGER NOT NULL,             -- concerns somebody whom later entries do not
            owed INTEGER NOT NULL                -- replaced such a mark that was not finished
        );
        CREATE INDEX unfinished_at ON unfinished (at);

        """

    // Entries and messages hold no bodies; those stand in `bodies`, each once, for the log and all timelines.
    // Rows of `bodies` are only ever appended, and overwritten with as many zeros: see `BodyTable`.
    private static let logTables = """
        CREATE TABLE log (
            conversation INTEGER NOT NULL,
            number INTEGER NOT NULL,
            id TEXT NOT NULL,
            at INTEGER NOT NULL,                 -- milliseconds since 1970
            author INTEGER NOT NULL,
            messages INTEGER NOT NULL,
            kind TEXT NOT NULL,
            n INTEGER,
            value INTEGER,                       -- edited: row of bodies; reaction: whether on; read: how many own
            text TEXT,                           -- reaction: key; group: title
            users TEXT,                          -- group: ids with blanks between them
            PRIMARY KEY (conversation, number)
        ) WITHOUT ROWID;
        CREATE TABLE messages (
            conversation INTEGER NOT NULL,
            n INTEGER NOT NULL,
            number INTEGER NOT NULL,
            sender INTEGER NOT NULL,
            own INTEGER NOT NULL,                -- how many of the sender's own, with this one, since joining
            cid TEXT NOT NULL,
            body INTEGER NOT NULL,
            edited INTEGER,                      -- milliseconds since 1970
            edits INTEGER NOT NULL DEFAULT 0,
            PRIMARY KEY (conversation, n)
        ) WITHOUT ROWID;
        CREATE INDEX messages_own ON messages (conversation, sender, n, own);
        CREATE TABLE bodies (
            body INTEGER PRIMARY KEY,
            conversation INTEGER NOT NULL,
            n INTEGER NOT NULL,
            gone INTEGER NOT NULL,
            text BLOB NOT NULL
        );
        CREATE INDEX bodies_message ON bodies (conversation, n);
        CREATE TABLE reactions (
            conversation INTEGER NOT NULL,
            n INTEGER NOT NULL,
            key TEXT NOT NULL,
            user INTEGER NOT NULL,
            appeared INTEGER NOT NULL,           -- number of the entry that brought the key
            place INTEGER NOT NULL,              -- number of the entry that brought this one
            PRIMARY KEY (conversation, n, key, user)
        ) WITHOUT ROWID;
        CREATE TABLE sends (
            conversation INTEGER NOT NULL,
            n INTEGER NOT NULL,
            sender INTEGER NOT NULL,
            cid TEXT NOT NULL,
            at INTEGER NOT NULL,                 -- milliseconds since 1970
            fingerprint INTEGER NOT NULL,        -- of the body as it came first
            PRIMARY KEY (conversation, n)
        ) WITHOUT ROWID;
        CREATE UNIQUE INDEX sends_cid ON sends (conversation, sender, cid);

        """

    // `unread` is derived from the counts whenever a row changes, and stands there for the index alone.
    private static let membershipTables = """
        ALTER TABLE events ADD COLUMN body INTEGER;
        CREATE TABLE memberships (
            user INTEGER NOT NULL,
            conversation INTEGER NOT NULL,
            number INTEGER NOT NULL,             -- the cursor
            id TEXT NOT NULL,
            messages INTEGER NOT NULL,
            own INTEGER NOT NULL,
            read INTEGER NOT NULL,
            read_own INTEGER NOT NULL,
            muted INTEGER NOT NULL,
            listed INTEGER NOT NULL,             -- 0 once removed
            activity INTEGER NOT NULL,           -- seq of the event
            unread INTEGER NOT NULL,
            PRIMARY KEY (user, conversation)
        ) WITHOUT ROWID;
        CREATE INDEX memberships_activity ON memberships (user, activity) WHERE listed = 1;
        CREATE INDEX memberships_unread ON memberships (user, unread) WHERE unread > 0 AND muted = 0;
        CREATE TABLE blocks (
            user INTEGER NOT NULL,
            blocked TEXT NOT NULL,
            place INTEGER NOT NULL,              -- seq of the event
            PRIMARY KEY (user, blocked)
        ) WITHOUT ROWID;
        """
}
