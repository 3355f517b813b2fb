/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench/scale -- a registry of many millions of rows, in each engine.
 *
 *	scripts/bench scale				20,000 people, seconds
 *	build/demo/tests/bench/scale 4230000 [sqlite|postgres [first|later]]
 *						10 million rows
 *
 * Imports a made-up registry (without PINs) into an SQLite file and into a
 * PostgreSQL of its own: as the first load of an empty registry ("first"), and
 * as an import beside people who are there already ("later"), of whom one is
 * put on hold now and then meanwhile.  Kills it in the middle, lets it go on,
 * and looks people up afterwards.  Prints how long each tenth took, the
 * import's peak memory (VmHWM), the size on disk, how long holds took, and
 * lookups a second.  Needs a disk under $TMPDIR (or /tmp) with about 2 KiB for
 * each person and engine; deletes all of it.
 */
#include "registry_run.h"

#include <signal.h>
#include <stdbool.h>

#include "base/str.h"
#include "store/lookup.h"

#define HELD 20000      /* holders who are there before, to be held */
#define HOLDS_MAX 60000 /* holds that are timed */
#define TAGS 100000
#define WINDOW 2048 /* lookups that wait at once */
#define LOOKUPS 400000

struct engine {
	const char *name;
	char path[300];
	const char *ask; /* a shell command that runs SQL, but for the SQL */
	const char *tags, *size;
};

static unsigned int people = 20000;
static double took[HOLDS_MAX];
static unsigned int n_holds, next_held;
static int64_t file_size;

/* The number that a command prints, or 0. */
__attribute__((format(printf, 1, 2))) static int64_t
number(const char *fmt, ...)
{
	char command[2048], line[64] = "";
	va_list ap;
	FILE *f;
	int len = snprintf(command, sizeof(command), "cd %s && ", dir);

	va_start(ap, fmt);
	vsnprintf(command + len, sizeof(command) - (size_t)len, fmt, ap);
	va_end(ap);
	if ((f = popen(command, "r")) == NULL)
		err(1, "%s", command);
	if (fgets(line, sizeof(line), f) == NULL)
		line[0] = '\0';
	pclose(f);
	return strtoll(line, NULL, 10);
}

/* ---- importing */

/* One import under way, and how far it has come. */
struct run {
	const struct engine *e;
	bool first; /* the first load of an empty registry */
	int stage;  /* of that, that was reached last */
	pid_t pid;
	int64_t begun_us, part_us;
	int tenth; /* that was reached last */
	long peak; /* KiB */
};

static void
run_start(struct run *r)
{
	if ((r->pid = fork()) != 0)
		return;
	if (chdir(dir) == 0)
		execl(holdline, "holdline", "registry", "import", "-c", "conf",
		    "people.csv", r->first ? "--first" : NULL, (char *)NULL);
	_exit(127);
}

/* Has it ended?  Then its peak is known. */
static bool
run_ended(struct run *r, int flags)
{
	struct rusage usage;
	int status;

	if (wait4(r->pid, &status, flags, &usage) != r->pid)
		return false;
	if (usage.ru_maxrss > r->peak)
		r->peak = usage.ru_maxrss;
	if (status != 0 && !(WIFSIGNALED(status) && WTERMSIG(status) == 9))
		errx(1, "the import failed");
	return true;
}

/* Print when all rows are in, and when they are in their place. */
static void
run_stage(struct run *r)
{
	static const char *const names[] = { "", "", "all rows", "in place" };
	int stage = (int)number("%s 'SELECT stage FROM first_load'", r->e->ask);

	if (stage <= r->stage || stage > 3)
		return;
	r->stage = stage;
	if (stage > 1)
		printf("  %s: %.0f s\n", names[stage],
		    (double)(clock_mono_us() - r->begun_us) / 1e6);
	fflush(stdout);
}

/* Print each tenth that was reached; returns the last. */
static int
run_look(struct run *r)
{
	int64_t now_us, taken;
	int tenth;

	if (r->first)
		run_stage(r);
	taken = number("%s 'SELECT max(taken) FROM imports'", r->e->ask);
	tenth = (int)(taken * 10 / file_size);
	if (tenth <= r->tenth)
		return r->tenth;
	now_us = clock_mono_us();
	printf("  %d0 %%: %.0f s", tenth, (double)(now_us - r->begun_us) / 1e6);
	printf(" (+%.0f s)\n", (double)(now_us - r->part_us) / 1e6);
	fflush(stdout);
	r->part_us = now_us;
	return r->tenth = tenth;
}

/* Killed once in the middle; holds are placed all the time. */
static void
import(struct run *r, struct store *s)
{
	bool killed = false;
	unsigned int looked = 0;

	run_start(r);
	while (!run_ended(r, WNOHANG)) {
		wait_ms(people > 100000 ? 100 : 5);
		if (!r->first && n_holds < HOLDS_MAX && next_held < HELD)
			took[n_holds++] = hold(s, ++next_held);
		if (looked++ % (people > 100000 ? 50 : 1) != 0)
			continue;
		if (run_look(r) < 5 || killed)
			continue;
		kill(r->pid, SIGKILL);
		run_ended(r, 0);
		killed = true;
		printf("  killed; starting it again\n");
		run_start(r);
	}
	if (!killed)
		printf("  it was over before it could be killed\n");
}

static void
show_holds(void)
{
	if (n_holds > 0)
		printf("  %u holds meanwhile: p50 %.1f ms, p90 %.1f ms, "
		       "p99 %.1f ms, longest %.1f ms\n",
		    n_holds, median(took, n_holds), quantile(took, n_holds, 90),
		    quantile(took, n_holds, 99), quantile(took, n_holds, 100));
}

/* ---- looking up */

static uint8_t (*tags)[STORE_MAC_SIZE];
static size_t n_tags, submitted;
static struct store *looked;

static void look_done(struct store_req *req);

static void
look_next(struct store_lookup *l)
{
	if (submitted == LOOKUPS)
		return;
	memset(&l->req, 0, sizeof(l->req));
	memcpy(l->tags[0], tags[submitted++ % n_tags], STORE_MAC_SIZE);
	l->n_tags = 1;
	l->req.done = look_done;
	l->req.ctx = l;
	store_lookup(looked, l);
}

static void
look_done(struct store_req *req)
{
	struct store_lookup *l = req->ctx;

	if (req->err.code != ERR_NONE || l->n == 0)
		errx(1, "lookup failed: %s", req->err.text);
	look_next(l);
}

static double
lookups(struct store *s)
{
	struct store_lookup *l = calloc(WINDOW, sizeof(*l));
	int64_t begun_us = clock_mono_us();
	unsigned int i;

	looked = s;
	submitted = 0;
	for (i = 0; i < WINDOW; i++)
		look_next(&l[i]);
	drain(s);
	free(l);
	return LOOKUPS * 1e6 / (double)(clock_mono_us() - begun_us);
}

static void
read_tags(const struct engine *e)
{
	char path[200], line[80];
	FILE *f;

	sh("%s '%s %% %u = 0' | shuf >tags", e->ask, e->tags,
	    people / TAGS + 1);
	snprintf(path, sizeof(path), "%s/tags", dir);
	if ((f = fopen(path, "r")) == NULL)
		err(1, "%s", path);
	for (n_tags = 0; n_tags < TAGS && fgets(line, sizeof(line), f) != NULL;
	     n_tags++) {
		line[2 * STORE_MAC_SIZE] = '\0';
		if (str_unhex(line, tags[n_tags], STORE_MAC_SIZE) == -1)
			errx(1, "%s is not what it should be", path);
	}
	fclose(f);
	if (n_tags == 0)
		errx(1, "there is nobody to look up");
}

static void
show_lookups(const struct engine *e)
{
	struct store *s = open_store(e->path, 4);

	read_tags(e);
	lookups(s);
	printf("  lookups: %.0f a second", lookups(s));
	printf(", of %zu people in random order\n", n_tags);
	store_close(s);
}

/* ---- both engines */

static void
scale(const struct engine *e, bool first)
{
	struct run r = { .e = e, .first = first };
	struct store *s;
	int64_t us, before, rows;

	configure(e->path);
	store_close(open_store(e->path, 0));
	if (!first)
		sh("%s registry import -c conf held.csv >/dev/null", holdline);
	n_holds = next_held = 0;
	before = number("%s 'SELECT count(*) FROM certificates'", e->ask);
	s = open_store(e->path, 1);
	printf("%s, %s:\n", e->name, first ? "first load" : "later import");
	fflush(stdout);
	r.begun_us = r.part_us = clock_mono_us();
	import(&r, s);
	us = clock_mono_us() - r.begun_us;
	rows =
	    number("%s 'SELECT count(*) FROM certificates'", e->ask) - before;
	printf("  %.0f s for %lld rows, %.0f a second; peak %ld MiB\n",
	    (double)us / 1e6, (long long)rows, (double)rows * 1e6 / (double)us,
	    r.peak / 1024);
	show_holds();
	store_close(s);
	printf("  on disk: %.2f GB\n", (double)number("%s", e->size) / 1e9);
	show_lookups(e);
	fflush(stdout);
}

static void
scale_sqlite(bool first)
{
	struct engine e = {
		.name = "SQLite",
		.ask = "sqlite3 -cmd '.timeout 60000' scale.db",
		.tags = "SELECT hex(tag) FROM holders WHERE id",
		.size = "stat -c %s scale.db",
	};

	snprintf(e.path, sizeof(e.path), "%s/scale.db", dir);
	scale(&e, first);
	sh("rm -f scale.db*");
}

static void
scale_postgres(bool first)
{
	struct engine e = {
		.name = "PostgreSQL",
		.ask = "bin/psql -h $PWD/pg -U postgres -d ours -Atqc",
		.tags = "SELECT encode(tag, $$hex$$) FROM holders WHERE id",
		.size = "bin/psql -h $PWD/pg -U postgres -d ours -Atqc"
			" \"SELECT pg_database_size('ours')\"",
	};

	sql("postgres", "CREATE DATABASE ours");
	snprintf(e.path, sizeof(e.path),
	    "postgresql://postgres@/ours?host=%s/pg", dir);
	scale(&e, first);
	sql("postgres", "DROP DATABASE ours");
}

int
main(int argc, char **argv)
{
	const char *engine = argc > 2 ? argv[2] : "";
	const char *when = argc > 3 ? argv[3] : "";
	int first;

	if (argc > 1 && strcmp(argv[1], "--quick") != 0)
		people = (unsigned int)atoi(argv[1]);
	if ((tags = calloc(TAGS, sizeof(*tags))) == NULL)
		err(1, "tags");
	run_open(argv[0]);
	sample("people.csv", people, 1);
	sample("held.csv", HELD, 2);
	sh("%s key create key >/dev/null", holdline);
	file_size = number("stat -c %%s people.csv");
	if (strcmp(engine, "sqlite") != 0)
		sh("%s", start);
	for (first = 1; first >= 0; first--) {
		if (strcmp(when, first ? "later" : "first") == 0)
			continue;
		if (strcmp(engine, "postgres") != 0)
			scale_sqlite(first);
		if (strcmp(engine, "sqlite") != 0)
			scale_postgres(first);
	}
	run_close();
	free(tags);
	return 0;
}
