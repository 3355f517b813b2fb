/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"

#define DAY_US (86400 * CLOCK_S_US)
#define JST_US (9 * 3600 * CLOCK_S_US)

int64_t
clock_wall_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return ts.tv_sec * CLOCK_S_US + ts.tv_nsec / 1000;
}

int64_t
clock_mono_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * CLOCK_S_US + ts.tv_nsec / 1000;
}

/* Days since 1970-01-01 of a proleptic Gregorian date. */
static int64_t
days_from_civil(int y, int m, int d)
{
	int64_t era, doe;
	int yoe, doy;

	y -= m <= 2;
	era = (y >= 0 ? y : y - 399) / 400;
	yoe = (int)(y - era * 400);
	doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
	doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
	return era * 146097 + doe - 719468;
}

static int
civil_from_days(int64_t z)
{
	int64_t era, doe, yoe, doy, mp, y, m, d;

	z += 719468;
	era = (z >= 0 ? z : z - 146096) / 146097;
	doe = z - era * 146097;
	yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	y = yoe + era * 400;
	doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	mp = (5 * doy + 2) / 153;
	d = doy - (153 * mp + 2) / 5 + 1;
	m = mp < 10 ? mp + 3 : mp - 9;
	return (int)((y + (m <= 2)) * 10000 + m * 100 + d);
}

static int64_t
floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

int
clock_jst_ymd(int64_t wall_us)
{
	return civil_from_days(floor_div(wall_us + JST_US, DAY_US));
}

int64_t
clock_jst_start_us(int ymd)
{
	assert(clock_ymd_valid(ymd));
	return days_from_civil(ymd / 10000, ymd / 100 % 100, ymd % 100) *
	    DAY_US -
	    JST_US;
}

bool
clock_ymd_valid(int ymd)
{
	if (ymd < 18680101 || ymd > 99991231)
		return false;
	return civil_from_days(days_from_civil(
		   ymd / 10000, ymd / 100 % 100, ymd % 100)) == ymd;
}

int
clock_ymd_add_years(int ymd, int years)
{
	ymd += years * 10000;
	return clock_ymd_valid(ymd) ? ymd : ymd - 1;
}

void
clock_format(int64_t wall_us, char out[CLOCK_TEXT_SIZE])
{
	int64_t day_us =
	    wall_us + JST_US - floor_div(wall_us + JST_US, DAY_US) * DAY_US;
	int ymd = clock_jst_ymd(wall_us), s = (int)(day_us / CLOCK_S_US);

	snprintf(out, CLOCK_TEXT_SIZE,
	    "%04d-%02d-%02dT%02d:%02d:%02d.%03d+09:00", ymd / 10000,
	    ymd / 100 % 100, ymd % 100, s / 3600, s / 60 % 60, s % 60,
	    (int)(day_us % CLOCK_S_US / 1000));
}

int
clock_ymd_parse(const char *text)
{
	int ymd = 0, i;

	if (strlen(text) != 10 || text[4] != '-' || text[7] != '-')
		return 0;
	for (i = 0; i < 10; i++) {
		if (i == 4 || i == 7)
			continue;
		if (text[i] < '0' || text[i] > '9')
			return 0;
		ymd = ymd * 10 + (text[i] - '0');
	}
	return clock_ymd_valid(ymd) ? ymd : 0;
}
