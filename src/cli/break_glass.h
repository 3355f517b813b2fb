/* SPDX-License-Identifier: Apache-2.0 */
/*
 * break_glass.h -- the right to decide a case from the server's own host,
 * while there is no counter's console to do it at.
 *
 * Whoever is in the operating-system group that the setting break_glass_group
 * names has it, by the real user id of the process and the account database;
 * root too must be in it, so that a membership somebody can look up stands
 * behind every use.  No group is named by default: then nobody has it.
 */
#ifndef CLI_BREAK_GLASS_H
#define CLI_BREAK_GLASS_H

struct authority;
struct err;

/* Owned (authority_free); NULL with *err, which says what is missing:
 * ERR_REFUSED, ERR_NOTFOUND, ERR_NOMEM. */
struct authority *break_glass_open(const char *group, struct err *err);

/* Tell the host's own log (syslog, authpriv) what was done with it, beside the
 * store's audit: as sudo does. */
void break_glass_tell(const struct authority *by, const char *receipt,
    const char *outcome, const char *result);

#endif
