/* SPDX-License-Identifier: Apache-2.0 */
#include "hold/status.h"
#include "base/clock.h"

static const char *const fate_names[] = {
	[STATUS_HOLDABLE] = "holdable",
	[STATUS_ON_HOLD] = "on-hold",
	[STATUS_EXPIRED] = "expired",
	[STATUS_REVOKED] = "revoked",
};
_Static_assert(sizeof(fate_names) / sizeof(fate_names[0]) == STATUS_FATE_COUNT,
    "every status_fate needs a name");

const char *
status_fate_name(enum status_fate fate)
{
	return fate_names[fate];
}

enum status_fate
status_fate(const struct store_cert *cert, int64_t now_us)
{
	if (cert->status == STORE_REVOKED)
		return STATUS_REVOKED;
	if (clock_jst_ymd(now_us) > cert->not_after)
		return STATUS_EXPIRED;
	return cert->status == STORE_HELD ? STATUS_ON_HOLD : STATUS_HOLDABLE;
}

bool
status_may(const struct store_cert *cert, enum status_move move, int64_t now_us)
{
	static const bool may[STATUS_FATE_COUNT][STATUS_MOVE_COUNT] = {
		[STATUS_HOLDABLE] = { [STATUS_MOVE_HOLD] = true,
		    [STATUS_MOVE_REVOKE] = true },
		[STATUS_ON_HOLD] = { [STATUS_MOVE_LIFT] = true,
		    [STATUS_MOVE_REVOKE] = true },
	};

	return may[status_fate(cert, now_us)][move];
}

struct status_plan
status_plan(const struct store_cert *certs, size_t n, unsigned int carriers,
    int64_t now_us)
{
	struct status_plan plan = { 0 };
	size_t i;

	for (i = 0; i < n; i++) {
		unsigned int kind = 1u << certs[i].kind;

		if ((carriers & 1u << certs[i].carrier) == 0)
			continue;
		switch (status_fate(&certs[i], now_us)) {
		case STATUS_HOLDABLE:
			plan.take |= kind;
			plan.carriers |= 1u << certs[i].carrier;
			break;
		case STATUS_ON_HOLD:
			plan.held |= kind;
			plan.carriers |= 1u << certs[i].carrier;
			break;
		case STATUS_EXPIRED:
			plan.dead |= kind;
			plan.expired = true;
			break;
		default:
			plan.dead |= kind;
			plan.revoked = true;
		}
	}
	plan.dead &= ~(plan.take | plan.held);
	return plan;
}
