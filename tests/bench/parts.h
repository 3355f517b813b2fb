/* SPDX-License-Identifier: Apache-2.0 */
/*
 * parts.h -- a benchmark's folder, and what it needs there: a Redis, a
 * certification authority.  Included once by each.
 */
#ifndef TESTS_BENCH_PARTS_H
#define TESTS_BENCH_PARTS_H

#include <dirent.h>
#include <err.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

static char dir[128];

/* A file there; good until the fourth call from now. */
static inline const char *
in_dir(const char *name)
{
	static char paths[4][400];
	static unsigned int next;
	char *path = paths[next++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", dir, name);
	return path;
}

/* Under $TMPDIR, or else /tmp. */
static inline void
folder_make(void)
{
	const char *tmp = getenv("TMPDIR");

	snprintf(dir, sizeof(dir), "%s/holdline-bench-XXXXXX",
	    tmp != NULL ? tmp : "/tmp");
	if (mkdtemp(dir) == NULL)
		err(1, "%s", dir);
}

/* With its files. */
static inline void
folder_remove(void)
{
	DIR *d = opendir(dir);
	struct dirent *e;

	while (d != NULL && (e = readdir(d)) != NULL)
		unlink(in_dir(e->d_name));
	if (d != NULL)
		closedir(d);
	rmdir(dir);
}

/* On redis.sock there; keeps nothing.  Returns its process when it says it is
 * ready; it is ended when we die. */
static inline pid_t
redis_start(void)
{
	char line[512];
	int out[2];
	FILE *f;
	pid_t pid;

	if (pipe(out) == -1 || (pid = fork()) == -1)
		err(1, "redis-server");
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		dup2(out[1], STDOUT_FILENO);
		close(out[0]);
		close(out[1]);
		execlp("redis-server", "redis-server", "--port", "0",
		    "--unixsocket", in_dir("redis.sock"), "--save", "",
		    "--appendonly", "no", "--dir", dir, (char *)NULL);
		_exit(127);
	}
	close(out[1]);
	f = fdopen(out[0], "r");
	while (fgets(line, sizeof(line), f) != NULL)
		if (strstr(line, "eady to accept") != NULL ||
		    strstr(line, "now ready") != NULL)
			return pid; /* f stays open, or it gets SIGPIPE */
	errx(1, "redis-server did not start; is it installed?");
}

/* ca.crt, and ocsp.crt with ocsp.key, who signs for it. */
static inline void
make_authority(void)
{
	char command[400];

	snprintf(command, sizeof(command),
	    "bash -c '. scripts/ca.sh && ca_make %s Bench && ca_signer %s "
	    "ocsp'",
	    dir, dir);
	if (system(command) != 0)
		errx(1, "cannot make an authority; run it from the top folder");
}

#endif
