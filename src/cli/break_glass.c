/* SPDX-License-Identifier: Apache-2.0 */
#include <grp.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <syslog.h>
#include <unistd.h>

#include "base/err.h"
#include "break_glass.h"
#include "hold/authority_grant.h"
#include "store/cases.h"

#define GROUPS_MAX 65536 /* the kernel's NGROUPS_MAX */

/* Is the account in the group, as its first or any other? */
static int
is_member(const struct passwd *user, gid_t gid, bool *member, struct err *err)
{
	int n = 64, i;
	gid_t *groups = NULL;

	*member = false;
	do {
		free(groups);
		if (n > GROUPS_MAX ||
		    (groups = calloc((size_t)n, sizeof(*groups))) == NULL)
			return err_set(err, ERR_NOMEM,
			    "the groups of %s cannot be read", user->pw_name);
		/* sets n to how many there are */
	} while (getgrouplist(user->pw_name, user->pw_gid, groups, &n) == -1);
	for (i = 0; i < n; i++)
		*member = *member || groups[i] == gid;
	free(groups);
	return 0;
}

static int
check_member(
    const char *group, gid_t gid, const struct passwd *user, struct err *err)
{
	bool member;

	if (is_member(user, gid, &member, err) == -1)
		return -1;
	if (member)
		return 0;
	return err_set(err, ERR_REFUSED,
	    "%s is not in the group %s, which break_glass_group names; only "
	    "its members may decide cases here%s",
	    user->pw_name, group,
	    user->pw_uid == 0 ? ", and root is no exception" : "");
}

struct authority *
break_glass_open(const char *group, struct err *err)
{
	char who[STORE_WHO_MAX + 1];
	struct authority *by;
	struct passwd *user;
	struct group *g;
	gid_t gid;

	if (group[0] == '\0') {
		err_set(err, ERR_REFUSED,
		    "deciding a case from this host is switched off: name the "
		    "group that may do it in break_glass_group");
		return NULL;
	}
	if ((g = getgrnam(group)) == NULL) {
		err_set(err, ERR_NOTFOUND,
		    "break_glass_group names the group %s, and this host has "
		    "none of that name",
		    group);
		return NULL;
	}
	gid = g->gr_gid;
	if ((user = getpwuid(getuid())) == NULL) {
		err_set(err, ERR_REFUSED, "user %u has no account on this host",
		    (unsigned int)getuid());
		return NULL;
	}
	if (check_member(group, gid, user, err) == -1)
		return NULL;
	snprintf(who, sizeof(who), "%s uid=%u group=%s gid=%u", user->pw_name,
	    (unsigned int)user->pw_uid, group, (unsigned int)gid);
	if ((by = authority_grant("break-glass", who)) == NULL)
		err_set(err, ERR_NOMEM, "out of memory");
	return by;
}

void
break_glass_tell(const struct authority *by, const char *receipt,
    const char *outcome, const char *result)
{
	openlog("holdline", LOG_PID, LOG_AUTHPRIV);
	syslog(LOG_WARNING, "%s case=%s outcome=%s result=\"%s\" by=\"%s\"",
	    authority_entry(by), receipt, outcome, result, authority_who(by));
	closelog();
}
