/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dispatch_row.h -- a row of the table dispatches, for the files that write,
 * take and list them.  Store thread only.
 */
#ifndef STORE_DISPATCH_ROW_H
#define STORE_DISPATCH_ROW_H

#include "db.h"
#include "shared.h"
#include "store/dispatch.h"

/* The columns that dispatch_read() reads, of DISPATCH_TABLES. */
#define DISPATCH_COLUMNS \
	"d.id, d.kind, d.what, d.state, d.hold, d.key, d.generation, " \
	"d.tries, d.created_us, d.due_us, d.told_us, d.last, k.receipt, " \
	"k.municipality, h.lang, " CERT_COLUMNS
#define DISPATCH_TABLES \
	"dispatches AS d LEFT JOIN certificates AS c ON c.id = d.cert" \
	" LEFT JOIN holds AS h ON h.id = d.hold" \
	" LEFT JOIN cases AS k ON k.hold = d.hold"

/* A newer status makes an older one nobody's news, unless it was told. */
#define DISPATCH_REPLACED " state = CASE WHEN state = 1 THEN 1 ELSE 4 END"

/* Read DISPATCH_COLUMNS off the row. */
void dispatch_read(struct db_query *q, struct store_dispatch *row);

#endif
