/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log.h -- one line per event on standard error, in key=value form:
 *
 *	2026-11-23T03:00:01.234+09:00 info call 1732.17 event=held ms=8
 *
 * A fault is logged once, where it is known.  Never a secret, never what a
 * caller typed, never a calling number.  Control bytes in any argument come
 * out as '?', so a peer cannot forge a line.  Any thread.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

enum log_level {
	LOG_LEVEL_DEBUG,
	LOG_LEVEL_INFO,
	LOG_LEVEL_WARN,
	LOG_LEVEL_ERROR,
	LOG_LEVEL_COUNT
};

/* The least level that is written; LOG_LEVEL_INFO until set.  Set it before
 * other threads start. */
void log_set_level(enum log_level level);

/* "debug", "info", "warn" or "error" -> 0 and *level; else -1. */
int log_level_parse(const char *name, enum log_level *level);

/*
 * Write one line.
 *   module	the room or program that speaks, such as "call"
 *   id		what it is about (a call's unique id), or NULL for nothing
 */
void log_debug(const char *module, const char *id, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* As log_debug: something an operator may want to know happened. */
void log_info(const char *module, const char *id, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* As log_debug: something went wrong and was dealt with. */
void log_warn(const char *module, const char *id, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* As log_debug: somebody should act; the text says how. */
void log_error(const char *module, const char *id, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
