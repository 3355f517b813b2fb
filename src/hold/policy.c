/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/conf.h"
#include "hold/policy.h"

#define REASON_UNSPECIFIED 0

static const char *const outcome_names[] = {
	[POLICY_FOUND] = "found",
	[POLICY_LOST] = "lost",
};
_Static_assert(
    sizeof(outcome_names) / sizeof(outcome_names[0]) == POLICY_OUTCOME_COUNT,
    "every policy_outcome needs a name");

/* RFC 5280, 5.3.1, without what is no reason to revoke for good (hold, and
 * removal from a CRL) and without the compromise of an authority. */
static const struct {
	int reason;
	const char *name;
} reasons[] = {
	{ REASON_UNSPECIFIED, "unspecified" },
	{ 1, "keyCompromise" },
	{ 3, "affiliationChanged" },
	{ 4, "superseded" },
	{ 5, "cessationOfOperation" },
	{ 9, "privilegeWithdrawn" },
};
#define REASONS_N (sizeof(reasons) / sizeof(reasons[0]))

const char *
policy_outcome_name(enum policy_outcome outcome)
{
	return outcome_names[outcome];
}

int
policy_reason_parse(const char *name)
{
	size_t i;

	for (i = 0; i < REASONS_N; i++)
		if (strcmp(name, reasons[i].name) == 0)
			return reasons[i].reason;
	return -1;
}

const char *
policy_reason_name(int reason)
{
	size_t i;

	for (i = 0; i < REASONS_N; i++)
		if (reasons[i].reason == reason)
			return reasons[i].name;
	return reasons[0].name;
}

static enum policy_act
act_parse(const char *word)
{
	return strcmp(word, "lift") == 0 ? POLICY_LIFT : POLICY_REVOKE;
}

void
policy_load(struct policy *policy, const struct conf *conf)
{
	enum policy_act(*found)[STORE_KIND_COUNT] = policy->found;

	found[STORE_CARD][STORE_SIGNATURE] =
	    act_parse(conf->policy_card_signature);
	found[STORE_CARD][STORE_AUTHENTICATION] =
	    act_parse(conf->policy_card_authentication);
	found[STORE_SMARTPHONE][STORE_SIGNATURE] =
	    act_parse(conf->policy_smartphone_signature);
	found[STORE_SMARTPHONE][STORE_AUTHENTICATION] =
	    act_parse(conf->policy_smartphone_authentication);
	policy->reasons[POLICY_FOUND] =
	    policy_reason_parse(conf->policy_found_reason);
	policy->reasons[POLICY_LOST] =
	    policy_reason_parse(conf->policy_lost_reason);
}

enum policy_act
policy_act(const struct policy *policy, enum store_carrier carrier,
    enum store_kind kind, enum policy_outcome outcome)
{
	return outcome == POLICY_LOST ? POLICY_REVOKE
				      : policy->found[carrier][kind];
}
