/* SPDX-License-Identifier: Apache-2.0 */
/*
 * authority_grant.h -- making an authority, once somebody was authenticated.
 *
 * Only for the modules that tests/lint/layers.py names: the break-glass entry
 * of the command on the server's own host.  Pure; any one thread.
 */
#ifndef HOLD_AUTHORITY_GRANT_H
#define HOLD_AUTHORITY_GRANT_H

#include "hold/authority.h"

/*
 * Somebody has shown who they are, and that they may decide.
 *	entry	which way it was, one word of at most 15 characters
 *	who	the person, for the audit: at most 159 bytes
 * Owned (authority_free); NULL when out of memory or a text does not fit.
 */
struct authority *authority_grant(const char *entry, const char *who);

#endif
