/* SPDX-License-Identifier: Apache-2.0 */
#include "publish/breaker.h"

size_t
breaker_room(
    const struct breaker *b, int64_t now_us, size_t flying, size_t room)
{
	if (b->pauses == 0)
		return room;
	return now_us >= b->open_us && flying == 0 && room > 0;
}

bool
breaker_answered(struct breaker *b)
{
	bool was_open = b->pauses > 0;

	b->faults = b->pauses = 0;
	return was_open;
}

static int64_t
doubled(int64_t us, int64_t max_us, int64_t times)
{
	for (; times > 0 && us < max_us; times--)
		us *= 2;
	return us < max_us ? us : max_us;
}

/* What was under way when it opened says nothing new. */
bool
breaker_fault(struct breaker *b, int64_t now_us)
{
	if (b->pauses > 0 && now_us < b->open_us)
		return false;
	if (b->pauses == 0 && ++b->faults < b->faults_max)
		return false;
	b->open_us = now_us + doubled(b->pause_us, b->pause_max_us, b->pauses);
	b->faults = 0;
	return b->pauses++ == 0;
}

int64_t
breaker_back_off(int64_t first_us, int64_t max_us, int64_t tries, int64_t id)
{
	int64_t us = doubled(first_us, max_us, tries - 1);
	/* any number from 0 to 999, other for each attempt */
	uint64_t spread =
	    (((uint64_t)id * 31 + (uint64_t)tries) * UINT64_C(2654435761) >>
		8) %
	    1000;

	us = us - us / 4 + us / 2 / 1000 * (int64_t)spread;
	return us > 0 ? us : 1;
}
