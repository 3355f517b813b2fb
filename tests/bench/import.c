/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench/import -- what taking in the registry costs, beside the least that
 * putting the same rows into the same tables costs.
 *
 * import-sqlite: certificates per second of `holdline registry import`, from
 * the registry's CSV, without PINs, divided by those of sqlite3's .import of
 * the finished rows (MACs as hexadecimal text: it reads no bytes) into the
 * same tables with the same indexes.  first-load-sqlite: the same with --first.
 * import-postgres, first-load-postgres: likewise beside COPY.
 * All take turns; medians of one run.  PINs are left out,
 * because a PIN is stretched on purpose; see doc/registry.md.  Then holds are
 * placed while an import runs: how long each takes.  --quick takes seconds.
 *
 * Needs sqlite3 and PostgreSQL's programs, and a disk under $TMPDIR (or /tmp).
 */
#include "registry_run.h"

#define ROUNDS_MAX 5
#define HOLDERS_HELD 400

static unsigned int people = 100000, rounds = 3;
static long rows;

static void
report_rows(const char *name, double *ours, double *theirs)
{
	double a = median(ours, rounds), b = median(theirs, rounds);

	printf("%s: %.0f rows a second, beside %.0f\n", name, (double)rows / a,
	    (double)rows / b);
	report(name, b / a, ">=", 0.5);
}

static void
prepare(void)
{
	FILE *f;

	sample("people.csv", people, 1);
	sample("held.csv", HOLDERS_HELD, 2);
	sh("%s key create key >/dev/null", holdline);
	sh("wc -l <people.csv >rows");
	if ((f = fopen(in_dir("rows"), "r")) == NULL ||
	    fscanf(f, "%ld", &rows) != 1)
		errx(1, "people.csv has no rows");
	fclose(f);
	rows--; /* the header */
}

/* ---- SQLite */

static void
bench_sqlite(void)
{
	double ours[ROUNDS_MAX], first[ROUNDS_MAX], theirs[ROUNDS_MAX];
	unsigned int i;

	configure(in_dir("ours.db"));
	for (i = 0; i < rounds; i++) {
		sh("rm -f ours.db*");
		first[i] = TIMED("%s registry import -c conf --first"
				 " people.csv >/dev/null 2>&1",
		    holdline);
		sh("rm -f ours.db* peer.db*");
		ours[i] = TIMED("%s registry import -c conf people.csv"
				" >/dev/null 2>&1",
		    holdline);
		if (i == 0)
			sh(" sqlite3 -csv ours.db 'SELECT id, hex(ref),"
			   " hex(tag), key_version, municipality, pin,"
			   " hex(contact), hex(phones) FROM holders'"
			   " >holders.csv;"
			   " sqlite3 -csv ours.db 'SELECT * FROM certificates'"
			   " >certificates.csv;"
			   " sqlite3 ours.db '.schema holders'"
			   " '.schema certificates' |"
			   " sed 's/BLOB/TEXT/g' >schema.sql");
		sh("sqlite3 peer.db 'PRAGMA journal_mode = WAL'"
		   " '.read schema.sql' >/dev/null");
		theirs[i] = TIMED("sqlite3 peer.db"
				  " 'PRAGMA synchronous = FULL'"
				  " '.import --csv holders.csv holders'"
				  " '.import --csv certificates.csv"
				  " certificates' >/dev/null");
	}
	report_rows("import-sqlite", ours, theirs);
	report_rows("first-load-sqlite", first, theirs);
}

/* ---- PostgreSQL */

static void
new_database(const char *name)
{
	char text[80];

	snprintf(text, sizeof(text), "DROP DATABASE IF EXISTS %s", name);
	sql("postgres", text);
	snprintf(text, sizeof(text), "CREATE DATABASE %s", name);
	sql("postgres", text);
	sql("postgres", "CHECKPOINT");
}

static void
bench_postgres(void)
{
	static const char *const tables[] = { "holders", "certificates" };
	double ours[ROUNDS_MAX], first[ROUNDS_MAX], theirs[ROUNDS_MAX];
	char url[300];
	unsigned int i, t;

	sh("%s", start);
	snprintf(
	    url, sizeof(url), "postgresql://postgres@/ours?host=%s/pg", dir);
	configure(url);
	for (i = 0; i < rounds; i++) {
		new_database("ours");
		first[i] = TIMED("%s registry import -c conf --first"
				 " people.csv >/dev/null 2>&1",
		    holdline);
		new_database("peer");
		new_database("ours");
		ours[i] = TIMED("%s registry import -c conf people.csv"
				" >/dev/null 2>&1",
		    holdline);
		for (t = 0; i == 0 && t < 2; t++)
			sh("bin/psql -h \"$PWD/pg\" -U postgres -d ours -qc"
			   " \"\\copy %s TO %s.csv CSV\"",
			    tables[t], tables[t]);
		sh("bin/pg_dump -h \"$PWD/pg\" -U postgres -s ours |"
		   " bin/psql -h \"$PWD/pg\" -U postgres -q peer >/dev/null");
		sql("postgres", "CHECKPOINT");
		theirs[i] = TIMED("bin/psql -h \"$PWD/pg\" -U postgres -qd peer"
				  " -c \"\\copy holders FROM holders.csv CSV\""
				  " -c \"\\copy certificates FROM"
				  " certificates.csv CSV\"");
	}
	report_rows("import-postgres", ours, theirs);
	report_rows("first-load-postgres", first, theirs);
}

/* ---- a hold in the middle of an import */

static void
bench_holds(void)
{
	double alone[HOLDERS_HELD], during[HOLDERS_HELD];
	unsigned int i, n = 0;
	struct store *s;
	int status;
	pid_t pid;

	configure(in_dir("hold.db"));
	sh("%s registry import -c conf held.csv >/dev/null", holdline);
	s = open_store(in_dir("hold.db"), 1);
	for (i = 0; i < HOLDERS_HELD / 4; i++)
		alone[i] = hold(s, i + 1);
	if ((pid = fork()) == 0) {
		if (chdir(dir) == 0)
			execl(holdline, "holdline", "registry", "import", "-c",
			    "conf", "people.csv", (char *)NULL);
		_exit(127);
	}
	for (; n < HOLDERS_HELD * 3 / 4 && waitpid(pid, &status, WNOHANG) == 0;
	     n++) {
		wait_ms(20);
		during[n] = hold(s, i + n + 1);
	}
	waitpid(pid, &status, 0);
	store_close(s);
	printf("a hold, alone: p50 %.1f ms; during an import (%u of them): "
	       "p50 %.1f ms, p90 %.1f ms, longest %.1f ms\n",
	    median(alone, i), n, median(during, n), quantile(during, n, 90),
	    quantile(during, n, 100));
}

int
main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "--quick") == 0) {
		people = 10000;
		rounds = 1;
	} else if (argc > 1)
		people = (unsigned int)atoi(argv[1]);
	run_open(argv[0]);
	prepare();
	printf("%ld rows, %u times\n", rows, rounds);
	fflush(stdout);
	bench_sqlite();
	fflush(stdout);
	bench_postgres();
	fflush(stdout);
	bench_holds();
	run_close();
	return 0;
}
