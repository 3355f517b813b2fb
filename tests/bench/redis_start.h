/* SPDX-License-Identifier: Apache-2.0 */
/*
 * redis_start.h -- a Redis of the benchmark's own.
 */
#ifndef TESTS_BENCH_REDIS_START_H
#define TESTS_BENCH_REDIS_START_H

#include <err.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

/* Start one on `dir`/redis.sock, which keeps nothing; returns its process when
 * it says it is ready.  It is ended when we die. */
static inline pid_t
redis_start(const char *dir)
{
	char sock[320], line[512];
	int out[2];
	FILE *f;
	pid_t pid;

	snprintf(sock, sizeof(sock), "%s/redis.sock", dir);
	if (pipe(out) == -1 || (pid = fork()) == -1)
		err(1, "redis-server");
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		dup2(out[1], STDOUT_FILENO);
		close(out[0]);
		close(out[1]);
		execlp("redis-server", "redis-server", "--port", "0",
		    "--unixsocket", sock, "--save", "", "--appendonly", "no",
		    "--dir", dir, (char *)NULL);
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

#endif
