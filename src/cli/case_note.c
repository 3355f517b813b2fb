/* SPDX-License-Identifier: Apache-2.0 */
/* What a clerk needs to know of what happened in a case. */
#include <string.h>

#include <jansson.h>

#include "base/err.h"
#include "case.h"
#include "cli/cli.h"
#include "cli/show.h"

#define MOVED_FROM "moved-from-"
#define PLACE_SIZE 128

static const struct {
	const char *what, *words;
} notes[] = {
	{ "opened", "" },
	{ "reported-again", "the loss was reported again" },
	{ "max-hold", "the hold has reached its longest life" },
	{ "expired", "a certificate has expired; nobody lifts or revokes it" },
	{ "moved",
	    "the holder has moved; the signature certificate has ended" },
	{ "reissued",
	    "a new certificate was issued, and the one that it "
	    "replaces is revoked" },
};
#define NOTES_N (sizeof(notes) / sizeof(notes[0]))

static bool
is_moved_from(const char *what)
{
	return strncmp(what, MOVED_FROM, strlen(MOVED_FROM)) == 0;
}

const char *
case_news(const char *what)
{
	return is_moved_from(what) ? "moved" : what;
}

/* "" = nothing that a clerk need know; the end of a case is told apart. */
static void
words_of(char *out, size_t size, const char *what)
{
	char place[PLACE_SIZE];
	size_t i;

	if (is_moved_from(what)) {
		what += strlen(MOVED_FROM);
		show_municipality(place, sizeof(place), what);
		snprintf(out, size, "the holder has moved here from %s %s",
		    what, place);
		return;
	}
	for (i = 0; i < NOTES_N; i++)
		if (strcmp(notes[i].what, what) == 0)
			break;
	snprintf(out, size, "%s", i < NOTES_N ? notes[i].words : what);
}

/* Call for each event, oldest first.  -1 with *err. */
static int
events_all(struct store *store, const struct store_case *c,
    void (*fn)(const struct store_case_event *e, const struct store_case *c,
	json_t *list),
    json_t *list, struct err *err)
{
	struct store_case_events r = { .case_id = c->id };
	size_t i;

	do {
		store_case_events(store, &r);
		if (store_await(store, &r.req, err) == -1)
			return -1;
		for (i = 0; i < r.n; i++)
			fn(&r.events[i], c, list);
		if (r.n > 0)
			r.after_nr = r.events[r.n - 1].nr;
	} while (r.n == STORE_CASE_PAGE);
	return 0;
}

static void
print_note(
    const struct store_case_event *e, const struct store_case *c, json_t *list)
{
	char words[2 * PLACE_SIZE];

	(void)list;
	words_of(words, sizeof(words), e->what);
	if (words[0] == '\0' ||
	    (e->at_us == c->decided_us && strcmp(e->what, c->outcome) == 0))
		return;
	fputs("note        ", stdout);
	show_time(stdout, e->at_us);
	printf(" %s\n", words);
}

static void
add_note(
    const struct store_case_event *e, const struct store_case *c, json_t *list)
{
	json_t *value = json_object();

	(void)c;
	json_object_set_new(value, "at", show_time_json(e->at_us));
	json_object_set_new(value, "what", json_string(e->what));
	json_array_append_new(list, value);
}

int
case_notes_show(
    struct store *store, const struct store_case *c, struct err *err)
{
	return events_all(store, c, print_note, NULL, err);
}

json_t *
case_notes_json(
    struct store *store, const struct store_case *c, struct err *err)
{
	json_t *list = json_array();

	if (events_all(store, c, add_note, list, err) == 0)
		return list;
	json_decref(list);
	return NULL;
}
