/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conf.h -- the configuration file: one table, one struct.
 *
 * The table in conf_table.c is the only list of settings there is: parser,
 * limits, defaults, `holdline conf` and the manual page are made from it.
 * The file is libconfuse's syntax; a name such as agi.listen stands in the
 * file as `listen` inside `agi { ... }`.  Any thread once loaded.
 */
#ifndef BASE_CONF_H
#define BASE_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct err;

#define CONF_LINES_MAX 32
#define CONF_LIST_MAX 16
#define CONF_NAME_MAX 63 /* characters of a name */

/* A dialled number and the language spoken on it. */
struct conf_line {
	char dnis[24];
	char lang[8];
};

/* A list of texts. */
struct conf_list {
	size_t n;
	char *at[CONF_LIST_MAX];
};

struct conf {
	char *store; /* store: SQLite file or PostgreSQL URL */
	unsigned int store_connections;
	char *key_file;         /* key_file */
	char *store_durability; /* auto, standby, local */
	char *node;             /* node: its name; "" = the host's */
	char *log_level;
	char *break_glass_group; /* "" = nobody may decide cases here */
	int64_t drain_us; /* drain: calls may go on so long after SIGTERM */

	char *agi_listen; /* agi.listen */
	unsigned int agi_max_calls;
	unsigned int agi_backlog;
	int64_t agi_slack_us; /* agi.slack: added to a command's length */

	char *call_lang; /* call.lang: where no line says otherwise */
	size_t n_lines;  /* call.lines: "0120950178=ja" ... */
	struct conf_line lines[CONF_LINES_MAX];
	int64_t call_first_us;   /* call.first_digit */
	int64_t call_next_us;    /* call.next_digit */
	int64_t call_pad_us;     /* call.verdict_pad */
	int64_t call_visible_us; /* call.visible_wait */

	unsigned int verify_number_attempts;
	unsigned int verify_tag_attempts;
	int64_t verify_window_us;
	unsigned int verify_threads;
	unsigned int verify_queue; /* checks that may wait */

	char *crl_dir;     /* crl.dir: "" = no CRLs are written here */
	char *crl_signers; /* of NAME.crt and NAME.key */
	char *crl_url;     /* "" = not said */
	bool crl_idp;
	bool crl_delta;
	int64_t crl_next_update_us;
	int64_t crl_every_us;
	int64_t crl_base_us;
	bool crl_on_change;
	int64_t crl_gap_us;

	char *policy_card_signature; /* policy.*: "revoke" or "lift" */
	char *policy_card_authentication;
	char *policy_smartphone_signature;
	char *policy_smartphone_authentication;
	char *policy_found_reason; /* names of RFC 5280, 5.3.1 */
	char *policy_lost_reason;
	int64_t policy_max_hold_us; /* 0 = none */
	char *policy_max_hold_end;  /* "revoke" or "nothing" */

	char *ca_connector; /* ca.connector: "off", "ejbca", "webhook" */
	char *ca_url, *ca_issuers, *ca_secret_file;
	char *ca_tls_ca, *ca_tls_cert, *ca_tls_key, *ca_proxy;
	bool ca_backdate;
	unsigned int ca_in_flight;
	int64_t ca_timeout_us;                /* of each request */
	int64_t ca_retry_us, ca_retry_max_us; /* doubles up to that */
	unsigned int ca_faults;               /* in a row, before a pause */
	int64_t ca_pause_us;                  /* doubles, too */
	int64_t ca_audit_us;                  /* 0 = never */

	char *notice_holder;       /* "off", "webhook", "smtp" */
	char *notice_municipality; /* likewise */
	char *notice_url, *notice_secret_file;
	char *notice_tls_ca, *notice_tls_cert, *notice_tls_key, *notice_proxy;
	char *notice_addresses, *notice_default; /* of municipalities */
	unsigned int notice_in_flight;
	int64_t notice_timeout_us, notice_retry_us, notice_retry_max_us;
	unsigned int notice_faults;
	int64_t notice_pause_us;
	int64_t notice_give_up_us;

	char *smtp_url, *smtp_from, *smtp_user, *smtp_password_file;
	char *smtp_tls_ca;

	char *redis_address; /* redis.address: "unix:/path", "ip:port" */
	struct conf_list redis_sentinels;
	char *redis_master;
	char *redis_read_address; /* "" = redis_address */
	unsigned int redis_replicas;
	int64_t redis_wait_us;
	char *redis_user; /* "" = the default user */
	char *redis_password_file;
	bool redis_tls;
	char *redis_tls_ca, *redis_tls_cert, *redis_tls_key, *redis_tls_name;
	int64_t redis_timeout_us; /* for connecting and for a reply */
	int64_t redis_retry_us;   /* first delay; doubles, at most 5 s */
	char *redis_mac_key_file; /* signs the records; "" = none does */
	int64_t redis_compare_us; /* redis.compare_every */
	int64_t redis_stuck_us;   /* redis.stuck_after; 0 = never */

	char *ocsp_listen;
	bool ocsp_share_port;
	struct conf_list ocsp_issuers; /* certificate files */
	struct conf_list ocsp_signers; /* certificate files */
	struct conf_list ocsp_keys;    /* key files, pkcs11: URIs */
	int64_t ocsp_signer_alarm_us;
	int64_t ocsp_fresh_us;         /* nextUpdate of good and held */
	int64_t ocsp_fresh_revoked_us; /* nextUpdate of revoked */
	unsigned int ocsp_kept;        /* signed answers to give again */
	unsigned int ocsp_max_certs;   /* in one request */
	unsigned int ocsp_max_connections;
	unsigned int ocsp_max_downloads; /* CRLs that are sent at once */
	int64_t ocsp_request_us;
	int64_t ocsp_idle_us;
	int64_t ocsp_redis_wait_us;
	unsigned int ocsp_sign_threads; /* for keys on a token */
	unsigned int ocsp_sign_queue;
	char *ocsp_metrics; /* "" = off */
};

/* All defaults.  Owned (conf_free); NULL when out of memory. */
struct conf *conf_new(void);

/* NULL is a no-op. */
void conf_free(struct conf *c);

/*
 * Read a file over the defaults.  Owned (conf_free), or NULL with *err: one
 * sentence with file and line, such as
 * "holdline.conf:7: agi.max_calls: 0 is outside 1..100000".
 */
struct conf *conf_load(const char *path, struct err *err);

/* Print every setting of `c` as a file that conf_load() reads back, each with
 * its help, limits and default as comments. */
void conf_print(FILE *out, const struct conf *c);

/* Print the settings' reference in scdoc for the manual page. */
void conf_print_scdoc(FILE *out);

#endif
