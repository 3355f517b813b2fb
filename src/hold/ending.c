/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "hold/ending.h"
#include "hold/status.h"

/* RFC 5280, 5.3.1 */
static const int reasons[] = {
	[STORE_DELTA_MOVED] = 3,    /* affiliationChanged: what it says of the
				       subject is no longer so */
	[STORE_DELTA_DIED] = 5,     /* cessationOfOperation */
	[STORE_DELTA_REISSUED] = 4, /* superseded */
	[STORE_DELTA_EXPIRED] = 0,
};
_Static_assert(sizeof(reasons) / sizeof(reasons[0]) == STORE_DELTA_COUNT,
    "every store_delta_kind needs a reason");

int
ending_reason(enum store_delta_kind kind)
{
	return reasons[kind];
}

bool
ending_of(const struct store_delta *row, const struct store_cert *cert,
    int64_t now_us)
{
	if (!status_may(cert, STATUS_MOVE_REVOKE, now_us))
		return false;
	switch (row->kind) {
	case STORE_DELTA_MOVED:
		return row->whole && cert->kind == STORE_SIGNATURE &&
		    cert->not_before < row->date;
	case STORE_DELTA_DIED:
		return true;
	case STORE_DELTA_REISSUED:
		return strcmp(cert->serial, row->old_serial) == 0 &&
		    strcmp(cert->issuer, row->old_issuer) == 0;
	default:
		return false;
	}
}
