/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <string.h>

#include "call/leg.h"

void
leg_answer(struct leg *leg)
{
	leg->ops->answer(leg);
}

void
leg_say(struct leg *leg, const struct leg_say *say)
{
	assert(say->n > 0);
	leg->ops->say(leg, say);
}

void
leg_collect(struct leg *leg, const struct leg_collect *collect)
{
	assert(collect->say.n > 0);
	assert(collect->max > 0 && collect->max <= LEG_DIGITS_MAX);
	leg->ops->collect(leg, collect);
}

void
leg_end(struct leg *leg, enum leg_next next, const char *result)
{
	assert(next < LEG_NEXT_COUNT && result != NULL);
	leg->ops->end(leg, next, result);
}

void
leg_free(struct leg *leg)
{
	if (leg != NULL)
		leg->ops->free(leg);
}
