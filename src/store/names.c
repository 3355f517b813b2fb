/* SPDX-License-Identifier: Apache-2.0 */
#include "store/cases.h"
#include "store/delta.h"
#include "store/dispatch.h"
#include "store/store.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const char *const status_names[] = {
	[STORE_GOOD] = "good",
	[STORE_HELD] = "hold",
	[STORE_REVOKED] = "revoked",
};
_Static_assert(COUNT(status_names) == STORE_STATUS_COUNT,
    "every store_status needs a name");

static const char *const kind_names[] = {
	[STORE_SIGNATURE] = "signature",
	[STORE_AUTHENTICATION] = "authentication",
};
_Static_assert(
    COUNT(kind_names) == STORE_KIND_COUNT, "every store_kind needs a name");

static const char *const carrier_names[] = {
	[STORE_CARD] = "card",
	[STORE_SMARTPHONE] = "smartphone",
};
_Static_assert(COUNT(carrier_names) == STORE_CARRIER_COUNT,
    "every store_carrier needs a name");

static const char *const act_names[] = {
	[STORE_ACT_NONE] = "left",
	[STORE_ACT_LIFT] = "lifted",
	[STORE_ACT_REVOKE] = "revoked",
};
_Static_assert(
    COUNT(act_names) == STORE_ACT_COUNT, "every store_act needs a name");

static const char *const delta_names[] = {
	[STORE_DELTA_MOVED] = "moved",
	[STORE_DELTA_DIED] = "died",
	[STORE_DELTA_REISSUED] = "reissued",
	[STORE_DELTA_EXPIRED] = "expired",
};
_Static_assert(COUNT(delta_names) == STORE_DELTA_COUNT,
    "every store_delta_kind needs a name");

static const char *const tell_names[] = {
	[STORE_TELL_CA] = "ca",
	[STORE_TELL_HOLDER] = "holder",
	[STORE_TELL_MUNICIPALITY] = "municipality",
};
_Static_assert(COUNT(tell_names) == STORE_TELL_COUNT,
    "every store_dispatch_kind needs a name");

static const char *const news_names[] = {
	[STORE_NEWS_HOLD] = "hold",
	[STORE_NEWS_LIFT] = "lift",
	[STORE_NEWS_REVOKE] = "revoke",
	[STORE_NEWS_PART] = "part",
	[STORE_NEWS_CASE] = "case",
};
_Static_assert(COUNT(news_names) == STORE_NEWS_COUNT,
    "every store_dispatch_what needs a name");

static const char *const dispatch_states[] = {
	[STORE_DISPATCH_WAITING] = "waiting",
	[STORE_DISPATCH_DONE] = "done",
	[STORE_DISPATCH_FAILED] = "failed",
	[STORE_DISPATCH_DISAGREES] = "disagrees",
	[STORE_DISPATCH_REPLACED] = "replaced",
};
_Static_assert(COUNT(dispatch_states) == STORE_DISPATCH_STATE_COUNT,
    "every store_dispatch_state needs a name");

const char *
store_status_name(enum store_status status)
{
	return status_names[status];
}

const char *
store_kind_name(enum store_kind kind)
{
	return kind_names[kind];
}

const char *
store_carrier_name(enum store_carrier carrier)
{
	return carrier_names[carrier];
}

const char *
store_act_name(enum store_act act)
{
	return act_names[act];
}

const char *
store_delta_name(enum store_delta_kind kind)
{
	return delta_names[kind];
}

const char *
store_dispatch_kind_name(enum store_dispatch_kind kind)
{
	return tell_names[kind];
}

const char *
store_dispatch_what_name(enum store_dispatch_what what)
{
	return news_names[what];
}

const char *
store_dispatch_state_name(enum store_dispatch_state state)
{
	return dispatch_states[state];
}
