/* SPDX-License-Identifier: Apache-2.0 */
/* The PostgreSQL engine: telling other nodes at once that there are news. */
#include "postgres.h"

int
postgres_news(struct store_db *db, struct err *err)
{
	struct postgres_db *d = postgres_of(db);

	return postgres_exec(d, "NOTIFY holdline_events", d->timeout_ms, err);
}

int
postgres_news_start(struct store_db *db, struct err *err)
{
	struct postgres_db *d = postgres_of(db);

	return postgres_exec(d, "LISTEN holdline_events", d->timeout_ms, err);
}

int
postgres_news_fd(struct store_db *db)
{
	return PQsocket(postgres_of(db)->conn);
}

/* -1: the connection is lost. */
int
postgres_news_read(struct store_db *db)
{
	struct postgres_db *d = postgres_of(db);
	PGnotify *notify;

	if (!PQconsumeInput(d->conn) || PQstatus(d->conn) != CONNECTION_OK)
		return -1;
	while ((notify = PQnotifies(d->conn)) != NULL)
		PQfreemem(notify);
	return 0;
}
