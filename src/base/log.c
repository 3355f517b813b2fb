/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"

static const char *const level_names[] = { "debug", "info", "warn", "error" };
_Static_assert(sizeof(level_names) / sizeof(level_names[0]) == LOG_LEVEL_COUNT,
    "every log_level needs a name");

static enum log_level least = LOG_LEVEL_INFO;

void
log_set_level(enum log_level level)
{
	least = level;
}

int
log_level_parse(const char *name, enum log_level *level)
{
	unsigned int i;

	for (i = 0; i < LOG_LEVEL_COUNT; i++)
		if (strcmp(name, level_names[i]) == 0) {
			*level = (enum log_level)i;
			return 0;
		}
	return -1;
}

__attribute__((format(printf, 4, 0))) static void
log_write(enum log_level level, const char *module, const char *id,
    const char *fmt, va_list ap)
{
	char line[1024], when[CLOCK_TEXT_SIZE];
	size_t i, len;
	int n;

	if (level < least)
		return;
	clock_format(clock_wall_us(), when);
	n = snprintf(line, sizeof(line), "%s %s %s %s ", when,
	    level_names[level], module, id == NULL ? "-" : id);
	if (n < 0 || (size_t)n >= sizeof(line) - 2)
		n = 0;
	if (vsnprintf(line + n, sizeof(line) - (size_t)n - 1, fmt, ap) < 0)
		return;
	len = strlen(line);
	for (i = 0; i < len; i++)
		if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
			line[i] = '?';
	line[len++] = '\n';
	fwrite(line, 1, len, stderr); /* one write: stderr is unbuffered */
}

#define LOG_FUNCTION(name, level) \
	void name(const char *module, const char *id, const char *fmt, ...) \
	{ \
		va_list ap; \
\
		va_start(ap, fmt); \
		log_write(level, module, id, fmt, ap); \
		va_end(ap); \
	}

LOG_FUNCTION(log_debug, LOG_LEVEL_DEBUG)
LOG_FUNCTION(log_info, LOG_LEVEL_INFO)
LOG_FUNCTION(log_warn, LOG_LEVEL_WARN)
LOG_FUNCTION(log_error, LOG_LEVEL_ERROR)
