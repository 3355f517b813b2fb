/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clock.h -- instants and Japanese calendar days.
 *
 * An instant is an int64_t of microseconds since 1970-01-01 UTC ("_us").  A
 * day is an int such as 20260301 ("ymd"), always in Japan Standard Time
 * (UTC+9, no summer time), because a certificate's validity is counted in
 * Japanese days (FAQ Q6).  Only programs' main files and base/ ask the clock;
 * logic is handed its now.  Any thread.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#define CLOCK_S_US INT64_C(1000000)
#define CLOCK_TEXT_SIZE 48 /* room for clock_format(), with the NUL */

/* The wall clock, microseconds since 1970 UTC. */
int64_t clock_wall_us(void);

/* A clock that never goes back, microseconds since some fixed instant. */
int64_t clock_mono_us(void);

/* The Japanese day on which an instant falls, such as 20261123. */
int clock_jst_ymd(int64_t wall_us);

/* The first instant of a valid Japanese day. */
int64_t clock_jst_start_us(int ymd);

/* Is this a day of the calendar, 1868-01-01 to 9999-12-31? */
bool clock_ymd_valid(int ymd);

/*
 * The day `years` after `ymd` for certificates that end on a birthday: a
 * 29 February that does not exist becomes 28 February.  `ymd` must be valid.
 */
int clock_ymd_add_years(int ymd, int years);

/* "2026-11-23T03:00:01.234+09:00"; writes at most CLOCK_TEXT_SIZE bytes. */
void clock_format(int64_t wall_us, char out[CLOCK_TEXT_SIZE]);

/* "2026-11-23" -> ymd, or 0 when it is not such a day. */
int clock_ymd_parse(const char *text);

#endif
