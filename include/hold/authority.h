/* SPDX-License-Identifier: Apache-2.0 */
/*
 * authority.h -- who has shown a right to decide a case.
 *
 * Deciding takes one of these, and nothing else in the product makes one but
 * the modules that authenticate: they alone may include authority_grant.h, and
 * tests/lint/layers.py holds the tree to it.  No telephone path can name it.
 * Pure; any one thread.
 */
#ifndef HOLD_AUTHORITY_H
#define HOLD_AUTHORITY_H

struct authority; /* opaque: the entry, and the person who came by it */

/* NULL is a no-op. */
void authority_free(struct authority *a);

/* Which way it was given: "break-glass"; borrowed. */
const char *authority_entry(const struct authority *a);

/* The person, as the entry knows them; borrowed. */
const char *authority_who(const struct authority *a);

#endif
