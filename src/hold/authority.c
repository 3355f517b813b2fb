/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/str.h"
#include "hold/authority_grant.h"
#include "store/decide.h"

struct authority {
	char entry[STORE_ENTRY_MAX + 1];
	char who[STORE_WHO_MAX + 1];
};

struct authority *
authority_grant(const char *entry, const char *who)
{
	struct authority *a = calloc(1, sizeof(*a));

	if (a == NULL)
		return NULL;
	if (entry[0] == '\0' || who[0] == '\0' ||
	    str_copy(a->entry, sizeof(a->entry), entry) == -1 ||
	    str_copy(a->who, sizeof(a->who), who) == -1) {
		authority_free(a); /* cut, it would name somebody else */
		return NULL;
	}
	return a;
}

void
authority_free(struct authority *a)
{
	free(a);
}

const char *
authority_entry(const struct authority *a)
{
	return a->entry;
}

const char *
authority_who(const struct authority *a)
{
	return a->who;
}
