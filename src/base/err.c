/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"

static const char *const names[] = {
	[ERR_NONE] = "ERR_NONE",
	[ERR_NOMEM] = "ERR_NOMEM",
	[ERR_RANGE] = "ERR_RANGE",
	[ERR_PARSE] = "ERR_PARSE",
	[ERR_REFUSED] = "ERR_REFUSED",
	[ERR_UNSURE] = "ERR_UNSURE",
	[ERR_IO] = "ERR_IO",
	[ERR_STORE] = "ERR_STORE",
	[ERR_NOTFOUND] = "ERR_NOTFOUND",
	[ERR_CONFLICT] = "ERR_CONFLICT",
};
_Static_assert(sizeof(names) / sizeof(names[0]) == ERR_CODE_COUNT,
    "every err_code needs a name");

int
err_set(struct err *err, enum err_code code, const char *fmt, ...)
{
	va_list ap;

	err->code = code;
	va_start(ap, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	return -1;
}

int
err_add(struct err *err, const char *fmt, ...)
{
	char context[sizeof(err->text)], inner[sizeof(err->text)];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(context, sizeof(context), fmt, ap);
	va_end(ap);
	memcpy(inner, err->text, sizeof(inner));
	if (snprintf(err->text, sizeof(err->text), "%s: %s", context, inner) <
	    0)
		memcpy(err->text, inner, sizeof(inner));
	return -1;
}

const char *
err_name(enum err_code code)
{
	return code < ERR_CODE_COUNT ? names[code] : "ERR_?";
}
