/* SPDX-License-Identifier: Apache-2.0 */
/*
 * postgres_cluster.h -- a PostgreSQL of a test's own: a cluster in a temporary
 * folder, on a Unix socket there.  It runs as the user postgres when the test
 * is root's (initdb refuses root), and dies with the test.  Included once.
 */
#ifndef TESTS_POSTGRES_CLUSTER_H
#define TESTS_POSTGRES_CLUSTER_H

#include <fcntl.h>
#include <glob.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <libpq-fe.h>

#define CLUSTER_START_MS 60000
#define CLUSTER_STEP_MS 20

static struct cluster {
	char dir[96], data[112], bin[96];
	pid_t pid;       /* of the postmaster; 0 = none */
	rlim_t file_max; /* bytes of its longest file; 0 = no limit */
} cluster;

/* The newest version's programs. */
static inline void
cluster_find(void)
{
	glob_t found;
	char *slash;

	if (glob("/usr/lib/postgresql/*/bin/initdb", 0, NULL, &found) != 0)
		fail_msg("there is no initdb in /usr/lib/postgresql/*/bin; "
			 "install the package postgresql");
	snprintf(cluster.bin, sizeof(cluster.bin), "%s",
	    found.gl_pathv[found.gl_pathc - 1]);
	globfree(&found);
	slash = strrchr(cluster.bin, '/');
	*slash = '\0';
}

/* In the child: as somebody who may, quietly, and not longer than the test. */
static inline void
cluster_become(void)
{
	const struct passwd *pw = getpwnam("postgres");
	int log;
	char path[128];

	prctl(PR_SET_PDEATHSIG, SIGQUIT);
	snprintf(path, sizeof(path), "%s/log", cluster.dir);
	log = open(path, O_WRONLY | O_CREAT | O_APPEND, 0666);
	dup2(log, 1);
	dup2(log, 2);
	if (cluster.file_max != 0)
		setrlimit(RLIMIT_FSIZE,
		    &(struct rlimit){ cluster.file_max, cluster.file_max });
	if (geteuid() != 0)
		return;
	if (pw == NULL || setgroups(0, NULL) == -1 ||
	    setgid(pw->pw_gid) == -1 || setuid(pw->pw_uid) == -1)
		_exit(126);
	prctl(PR_SET_PDEATHSIG, SIGQUIT); /* setuid() cleared it */
}

/* PostgreSQL's programs look for one another beside argv[0], or in PATH, where
 * Debian does not put them: argv[0] becomes the whole path. */
static inline pid_t
cluster_spawn(const char *program, char *argv[])
{
	char path[128];
	pid_t pid;

	snprintf(path, sizeof(path), "%s/%s", cluster.bin, program);
	assert_int_not_equal(pid = fork(), -1);
	if (pid == 0) {
		cluster_become();
		argv[0] = path;
		execv(path, argv);
		_exit(127);
	}
	return pid;
}

static inline void
cluster_show_log(void)
{
	char path[128], line[512];
	FILE *f;

	snprintf(path, sizeof(path), "%s/log", cluster.dir);
	if ((f = fopen(path, "r")) == NULL)
		return;
	while (fgets(line, sizeof(line), f) != NULL)
		fputs(line, stderr);
	fclose(f);
}

/* A connection as the superuser to a database.  NULL: not now. */
static inline PGconn *
cluster_connect(const char *database)
{
	char url[256];
	PGconn *conn;

	snprintf(url, sizeof(url), "host=%s user=postgres dbname=%s",
	    cluster.dir, database);
	conn = PQconnectdb(url);
	if (PQstatus(conn) == CONNECTION_OK)
		return conn;
	PQfinish(conn);
	return NULL;
}

/* Up to 3 settings, "name=value", for this run of the server.  Returns when
 * it takes connections; there is no event to wait for. */
static inline void
cluster_start_with(const char *a, const char *b, const char *c)
{
	char *argv[] = { (char *)"postgres", (char *)"-D", cluster.data,
		(char *)"-k", cluster.dir, (char *)"-h", (char *)"",
		(char *)"-c", (char *)(a != NULL ? a : "jit=off"), (char *)"-c",
		(char *)(b != NULL ? b : "jit=off"), (char *)"-c",
		(char *)(c != NULL ? c : "max_connections=40"), NULL };
	int waited;
	PGconn *conn;

	cluster.pid = cluster_spawn("postgres", argv);
	for (waited = 0; waited < CLUSTER_START_MS; waited += CLUSTER_STEP_MS) {
		if ((conn = cluster_connect("postgres")) != NULL) {
			PQfinish(conn);
			return;
		}
		/* what a killed one left running is in the way for a while */
		if (waitpid(cluster.pid, NULL, WNOHANG) == cluster.pid)
			cluster.pid = cluster_spawn("postgres", argv);
		poll(NULL, 0, CLUSTER_STEP_MS);
	}
	cluster_show_log();
	fail_msg("PostgreSQL does not start");
}

static inline void
cluster_start(void)
{
	cluster_start_with(NULL, NULL, NULL);
}

/* SIGQUIT ends it at once, SIGKILL with no warning, SIGINT properly. */
static inline void
cluster_kill(int sig)
{
	if (cluster.pid == 0)
		return;
	kill(cluster.pid, sig);
	waitpid(cluster.pid, NULL, 0);
	cluster.pid = 0;
}

static inline void
cluster_sql(const char *database, const char *sql)
{
	PGconn *conn = cluster_connect(database);
	PGresult *result;

	assert_non_null(conn);
	result = PQexec(conn, sql);
	if (PQresultStatus(result) != PGRES_COMMAND_OK &&
	    PQresultStatus(result) != PGRES_TUPLES_OK)
		fail_msg("%s: %s", sql, PQerrorMessage(conn));
	PQclear(result);
	PQfinish(conn);
}

/* Who may come in: the role guarded with a password, others as they are. */
static inline void
cluster_guard(void)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/pg_hba.conf", cluster.data);
	assert_non_null(f = fopen(path, "w"));
	fputs("local all guarded scram-sha-256\nlocal all all trust\n", f);
	assert_int_equal(fclose(f), 0);
}

static inline int
cluster_setup(void **state)
{
	const struct passwd *pw = getpwnam("postgres");
	const char *tmp = getenv("TMPDIR");
	char *argv[] = { (char *)"initdb", (char *)"-D", cluster.data,
		(char *)"-U", (char *)"postgres", (char *)"-A", (char *)"trust",
		(char *)"-E", (char *)"UTF8", (char *)"--locale=C",
		(char *)"-N", NULL };
	pid_t pid;
	int status;

	(void)state;
	cluster_find();
	snprintf(cluster.dir, sizeof(cluster.dir), "%s/holdline-pg-XXXXXX",
	    tmp != NULL ? tmp : "/tmp");
	assert_non_null(mkdtemp(cluster.dir));
	if (geteuid() == 0 && pw != NULL)
		assert_int_equal(chown(cluster.dir, pw->pw_uid, pw->pw_gid), 0);
	snprintf(cluster.data, sizeof(cluster.data), "%s/data", cluster.dir);
	pid = cluster_spawn("initdb", argv);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (status != 0) {
		cluster_show_log();
		fail_msg("initdb failed");
	}
	cluster_guard();
	cluster_start();
	cluster_sql("postgres",
	    "CREATE ROLE holdline LOGIN; CREATE ROLE guarded LOGIN"
	    " PASSWORD 'correct horse'");
	return 0;
}

static inline int
cluster_teardown(void **state)
{
	char command[160];

	(void)state;
	cluster_kill(SIGQUIT);
	snprintf(command, sizeof(command), "rm -rf '%s'", cluster.dir);
	return system(command);
}

#endif
