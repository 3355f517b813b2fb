/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "base/metric.h"
#include "service.h"

#define DESCRIPTORS_OURS 64 /* database, cache, files, events */

/* ---- before it begins */

int
service_options(int argc, char **argv, const char *name, const char *usage,
    const char **path, bool *test)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "test", no_argument, NULL, 't' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "c:thV", options, NULL)) != -1)
		switch (c) {
		case 'c':
			*path = optarg;
			break;
		case 't':
			*test = true;
			break;
		case 'h':
			fputs(usage, stdout);
			return 0;
		case 'V':
			printf("%s " PACKAGE_VERSION "\n", name);
			return 0;
		default:
			fprintf(stderr, "%s: see %s --help\n", name, name);
			return 2;
		}
	if (*path == NULL || optind < argc) {
		fprintf(stderr,
		    "%s: say where the configuration is, and nothing else: "
		    "%s -c FILE\n",
		    name, name);
		return 2;
	}
	return -1;
}

int
service_descriptors(const char *setting, unsigned int n, struct err *err)
{
	rlim_t need = (rlim_t)n + DESCRIPTORS_OURS;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == -1)
		return err_set(
		    err, ERR_IO, "RLIMIT_NOFILE: %s", strerror(errno));
	if (limit.rlim_cur >= need)
		return 0;
	limit.rlim_cur = need;
	if (limit.rlim_max < need)
		limit.rlim_max = need; /* root may */
	if (setrlimit(RLIMIT_NOFILE, &limit) == -1)
		return err_set(err, ERR_RANGE,
		    "%s %u needs %llu file descriptors and the limit is lower: "
		    "raise LimitNOFILE (ulimit -n) or lower %s",
		    setting, n, (unsigned long long)need, setting);
	return 0;
}

/* ---- the loop */

static void
on_usr1(evutil_socket_t sig, short what, void *ctx)
{
	(void)sig, (void)what, (void)ctx;
	metric_log();
}

int
service_open(struct service *s, struct err *err)
{
	if (loop_open(&s->loop, err) == -1)
		return -1;
	return service_watch(s, SIGUSR1, EV_SIGNAL, on_usr1, NULL, err);
}

void
service_close(struct service *s)
{
	while (s->n_events > 0)
		service_event_free(s->events[--s->n_events]);
	loop_close(&s->loop);
}

static struct event *
watch(struct service *s, int fd, short what, event_callback_fn fn, void *ctx)
{
	struct event *event =
	    event_new(s->loop.base, fd, what | EV_PERSIST, fn, ctx);

	if (event != NULL && event_add(event, NULL) == -1) {
		event_free(event);
		event = NULL;
	}
	return event;
}

int
service_watch(struct service *s, int fd, short what, event_callback_fn fn,
    void *ctx, struct err *err)
{
	if (s->n_events == SERVICE_EVENTS_MAX ||
	    (s->events[s->n_events] = watch(s, fd, what, fn, ctx)) == NULL)
		return err_set(err, ERR_NOMEM, "cannot set up the event loop");
	s->n_events++;
	return 0;
}

struct event *
service_event_new(struct service *s, int fd, event_callback_fn fn, void *ctx)
{
	return watch(s, fd, EV_READ, fn, ctx);
}

void
service_event_free(struct event *event)
{
	if (event != NULL)
		event_free(event);
}

void
service_run(struct service *s, bool (*over)(void *ctx), void *ctx)
{
	while (!event_base_got_exit(s->loop.base) &&
	    (over == NULL || !over(ctx)) && loop_turn(&s->loop, INT64_MAX) == 0)
		;
}

void
service_end(struct service *s)
{
	event_base_loopexit(s->loop.base, NULL);
}
