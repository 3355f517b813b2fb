/* SPDX-License-Identifier: Apache-2.0 */
/*
 * registry_run.h -- what the benchmarks that import a registry share: a folder
 * with a shell in it, a PostgreSQL there, a hold placed and timed.  Included
 * once by each; cleans up only when asked.
 */
#ifndef TESTS_BENCH_REGISTRY_RUN_H
#define TESTS_BENCH_REGISTRY_RUN_H

#include <err.h>
#include <libgen.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "store/hold.h"
#include "store/store.h"
#include "tests/bench/figure.h"
#include "tests/bench/holding.h"
#include "tests/bench/parts.h"

static char holdline[512];

/* Run a command of the shell in our folder. */
__attribute__((format(printf, 1, 2))) static inline void
sh(const char *fmt, ...)
{
	char command[4096];
	va_list ap;
	int len = snprintf(command, sizeof(command), "cd %s && ", dir);

	va_start(ap, fmt);
	vsnprintf(command + len, sizeof(command) - (size_t)len, fmt, ap);
	va_end(ap);
	if (system(command) != 0)
		errx(1, "failed: %s", command);
}

/* The seconds that it takes. */
#define TIMED(...) \
	({ \
		int64_t begun_us = clock_mono_us(); \
		sh(__VA_ARGS__); \
		(double)(clock_mono_us() - begun_us) / 1e6; \
	})

/* ---- PostgreSQL */

static const char start[] =
    "bin=$(ls -d /usr/lib/postgresql/*/bin | sort -V | tail -n 1);"
    " as=; [ $(id -u) != 0 ] ||"
    " as='setpriv --reuid postgres --regid postgres --clear-groups';"
    " chmod 755 . && mkdir pg && { [ $(id -u) != 0 ] || chown postgres: pg; }"
    " && cd pg && $as $bin/initdb -D data -U postgres -A trust -E UTF8"
    " --locale=C >/dev/null && { $as $bin/postgres -D data -k \"$PWD\" -h ''"
    " >log 2>&1 & echo $! >../pg.pid; } &&"
    " until $bin/psql -h \"$PWD\" -U postgres -Atqc 'SELECT 1' >/dev/null 2>&1;"
    " do sleep 0.1; done && ln -s $bin ../bin";

static inline void
sql(const char *database, const char *text)
{
	sh("PGOPTIONS='-c client_min_messages=warning' bin/psql -h \"$PWD/pg\""
	   " -U postgres -d %s -qc \"%s\"",
	    database, text);
}

static inline void
stop_postgres(void)
{
	if (access(dir, F_OK) == -1)
		return; /* done */
	sh("if [ -e pg.pid ]; then kill -INT $(cat pg.pid) && while kill -0"
	   " $(cat pg.pid) 2>/dev/null; do sleep 0.1; done; fi");
}

/* ---- a hold */

/* How long one hold takes, in milliseconds. */
static inline double
hold(struct store *s, unsigned int nr)
{
	struct store_hold r;
	int64_t begun_us;

	fill_hold(&r, nr);
	begun_us = clock_mono_us();
	store_hold(s, &r);
	if (store_wait(s, &r.req) == -1)
		errx(1, "%s", r.req.err.text);
	return (double)(clock_mono_us() - begun_us) / 1e3;
}

static inline void
wait_ms(long ms)
{
	struct timespec t = { .tv_nsec = ms * 1000000 };

	nanosleep(&t, NULL);
}

/* A configuration for that store. */
static inline void
configure(const char *store)
{
	sh("printf 'store = \"%%s\"\\nkey_file = \"%s/key\"\\n' '%s' >conf",
	    dir, store);
}

/* The folder, and the holdline that stands beside the benchmark. */
static inline void
run_open(const char *argv0)
{
	char *self = realpath(argv0, NULL);

	if (self == NULL)
		err(1, "%s", argv0);
	snprintf(
	    holdline, sizeof(holdline), "%s/../../holdline", dirname(self));
	free(self);
	folder_make();
	atexit(stop_postgres);
}

static inline void
run_close(void)
{
	stop_postgres();
	sh("cd / && rm -rf %s", dir);
}

/* A registry without PINs. */
static inline void
sample(const char *file, unsigned int people, unsigned int seed)
{
	sh("%s registry sample --count %u --seed %u |"
	   " awk -F, -v OFS=, 'NR > 1 { $6 = \"\" } 1' >%s",
	    holdline, people, seed, file);
}

#endif
