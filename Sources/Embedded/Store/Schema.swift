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
        return migrator
    }
}
