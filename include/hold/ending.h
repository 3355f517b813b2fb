/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ending.h -- which certificates the registry's news end.
 *
 * A death ends all of the holder's.  A move, as a marriage, ends signature
 * certificates alone, for they carry the address; the ones that were issued on
 * the day of the move or later have the new one.  A reissue ends the one that
 * it replaces.  An expiry ends nothing: it is derived from the dates, and a
 * hold stays as it is.  Nothing here lifts.  Pure; any thread.
 */
#ifndef HOLD_ENDING_H
#define HOLD_ENDING_H

#include "store/delta.h"

/* Does the row end this certificate of its holder?  Never one that has
 * expired or is revoked.  For store_delta_page(). */
bool ending_of(const struct store_delta *row, const struct store_cert *cert,
    int64_t now_us);

/* CRLReason of what such a row revokes, unless it says another. */
int ending_reason(enum store_delta_kind kind);

#endif
