/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/clock.h"
#include "base/conf.h"
#include "base/conf_table.h"

#define AT(field) offsetof(struct conf, field)
#define MS (CLOCK_S_US / 1000)
#define S CLOCK_S_US
#define MIN (60 * S)
#define H (60 * MIN)

const struct conf_def conf_table[] = {
	{ "store", CONF_PATH, AT(store), 0, 0, "/var/lib/holdline/holdline.db",
	    "The database with everything that must survive: an SQLite file, "
	    "made when missing, or a PostgreSQL server as "
	    "postgresql://ROLE@HOST/DATABASE (keep the password in a file: "
	    "passfile=)." },
	{ "store_connections", CONF_COUNT, AT(store_connections), 1, 64, "4",
	    "Connections to the database, each with a thread of its own. With "
	    "SQLite one of them writes and the others look callers up; with "
	    "PostgreSQL all do both, so the server needs as many for each "
	    "node, and a few for commands." },
	{ "store_durability", CONF_DURABILITY, AT(store_durability), 0, 0,
	    "auto",
	    "Whether a second PostgreSQL server must confirm each commit: "
	    "standby asserts that at the start, local does without (the newest "
	    "holds can be lost with the server), auto asserts it when the "
	    "store names several hosts." },
	{ "key_file", CONF_PATH, AT(key_file), 0, 0, "/etc/holdline/keys",
	    "The keys that protect what the store holds; make it with "
	    "`holdline key create` and back it up apart from the store." },
	{ "node", CONF_NAME, AT(node), 0, 0, "",
	    "This server's name in `holdline node list`; empty: the host's." },
	{ "log_level", CONF_LEVEL, AT(log_level), 0, 0, "info",
	    "The least level that is logged." },
	{ "drain", CONF_DURATION, AT(drain_us), 0, 1 * H, "30s",
	    "How long calls may go on after SIGTERM; those that are left then "
	    "go to a person." },
	{ "break_glass_group", CONF_TEXT, AT(break_glass_group), 0, 0, "",
	    "The group of this host whose members, root too only as one of "
	    "them, may decide cases with `holdline case decide`; empty: "
	    "nobody may." },

	{ "agi.listen", CONF_ADDRESS, AT(agi_listen), 0, 0, "127.0.0.1:4573",
	    "Where telephony gateways reach the daemon; FastAGI is plain "
	    "text, so listen on loopback or behind a TLS tunnel." },
	{ "agi.max_calls", CONF_COUNT, AT(agi_max_calls), 1, 100000, "2000",
	    "Calls at once; one more is refused at its connection, so that "
	    "the dialplan goes on to the next server or a person." },
	{ "agi.backlog", CONF_COUNT, AT(agi_backlog), 1, 65535, "4096",
	    "Connections that may wait to be accepted; the kernel caps it at "
	    "net.core.somaxconn." },
	{ "agi.slack", CONF_DURATION, AT(agi_slack_us), 1 * S, 10 * MIN, "10s",
	    "Added to the expected length of a command before the gateway "
	    "counts as lost." },

	{ "call.lang", CONF_LANG, AT(call_lang), 0, 0, "ja",
	    "The language spoken when call.lines does not name the dialled "
	    "number and the gateway's own language has no prompts." },
	{ "call.lines", CONF_LINES, AT(n_lines), 0, CONF_LINES_MAX,
	    "0120950178=ja,0570783578=ja,0120017827=en",
	    "Dialled numbers and the language spoken on each; the list "
	    "replaces the default one." },
	{ "call.first_digit", CONF_DURATION, AT(call_first_us), 1 * S, 1 * MIN,
	    "7s", "How long a caller may take to the first key." },
	{ "call.next_digit", CONF_DURATION, AT(call_next_us), 1 * S, 1 * MIN,
	    "5s", "How long a caller may take between keys." },
	{ "call.verdict_pad", CONF_DURATION, AT(call_pad_us), 0, 10 * S,
	    "500ms",
	    "The least time a verdict takes, whatever it is, so that its "
	    "timing shows nothing; longer than the slowest check." },
	{ "call.visible_wait", CONF_DURATION, AT(call_visible_us), 0, 10 * S,
	    "3s",
	    "How long a caller waits for a hold to be visible before hearing "
	    "\"accepted\" instead of \"done\"." },

	{ "verify.number_attempts", CONF_COUNT, AT(verify_number_attempts), 1,
	    100000, "20",
	    "Attempts by one calling number in a window before its calls go "
	    "to a person." },
	{ "verify.tag_attempts", CONF_COUNT, AT(verify_tag_attempts), 1, 100000,
	    "6",
	    "Attempts at one birth date and postal code in a window before "
	    "the calls go to a person." },
	{ "verify.window", CONF_DURATION, AT(verify_window_us), 1 * MIN,
	    720 * H, "24h", "How long an attempt counts." },
	{ "verify.threads", CONF_COUNT, AT(verify_threads), 1, 16, "2",
	    "Threads that check answers; one check keeps a core busy for "
	    "about 35 ms." },
	{ "verify.queue", CONF_COUNT, AT(verify_queue), 1, 100000, "256",
	    "Checks that may wait for a thread; one more sends its call to a "
	    "person." },

	{ "crl.dir", CONF_PATH_OR_NONE, AT(crl_dir), 0, 0, "",
	    "The folder into which CRLs are written, as HASH.crl and "
	    "HASH-delta.crl; empty: none are." },
	{ "crl.signers", CONF_PATH_OR_NONE, AT(crl_signers), 0, 0, "",
	    "A folder with NAME.crt and NAME.key (PEM) of every issuer whose "
	    "CRLs are written here." },
	{ "crl.url", CONF_TEXT, AT(crl_url), 0, 0, "",
	    "The URL under which relying parties get what is in crl.dir, with "
	    "a / at its end; it goes into the full CRL as where the delta is "
	    "(freshestCRL)." },
	{ "crl.idp", CONF_SWITCH, AT(crl_idp), 0, 0, "off",
	    "Whether CRLs name their issuing distribution point, which is "
	    "under crl.url; certificates must then name the same one." },
	{ "crl.delta", CONF_SWITCH, AT(crl_delta), 0, 0, "on",
	    "Whether delta CRLs are written, too." },
	{ "crl.next_update", CONF_DURATION, AT(crl_next_update_us), 1 * MIN,
	    8760 * H, "24h", "How long a CRL is good for." },
	{ "crl.every", CONF_DURATION, AT(crl_every_us), 1 * S, 720 * H, "1h",
	    "How often the server writes them without any change; shorter "
	    "than crl.next_update." },
	{ "crl.base", CONF_DURATION, AT(crl_base_us), 1 * S, 8760 * H, "24h",
	    "How long deltas refer to one full CRL before they begin anew." },
	{ "crl.on_change", CONF_SWITCH, AT(crl_on_change), 0, 0, "on",
	    "Whether the server also writes them after every hold, lift and "
	    "revocation." },
	{ "crl.gap", CONF_DURATION, AT(crl_gap_us), 0, 1 * H, "5s",
	    "The least time between two runs, so that many changes are one; "
	    "at 1,000,000 entries a run keeps a core busy for seconds." },

	{ "policy.card_signature", CONF_ACT, AT(policy_card_signature), 0, 0,
	    "revoke",
	    "What becomes of a card's signature certificate when the counter "
	    "decides that the card was found." },
	{ "policy.card_authentication", CONF_ACT,
	    AT(policy_card_authentication), 0, 0, "revoke",
	    "The same of a card's authentication certificate." },
	{ "policy.smartphone_signature", CONF_ACT,
	    AT(policy_smartphone_signature), 0, 0, "revoke",
	    "The same of a smartphone's signature certificate; revoked, it is "
	    "issued anew." },
	{ "policy.smartphone_authentication", CONF_ACT,
	    AT(policy_smartphone_authentication), 0, 0, "lift",
	    "The same of a smartphone's authentication certificate." },
	{ "policy.found_reason", CONF_REASON, AT(policy_found_reason), 0, 0,
	    "superseded",
	    "The reason (RFC 5280) with which a found card's or smartphone's "
	    "certificate is revoked." },
	{ "policy.lost_reason", CONF_REASON, AT(policy_lost_reason), 0, 0,
	    "keyCompromise",
	    "The reason with which it is revoked when it was not found." },
	{ "policy.max_hold", CONF_DURATION, AT(policy_max_hold_us), 0,
	    87600 * H, "0s",
	    "The longest life of a hold, such as 4320h for 180 days; 0s: none. "
	    "Only time that a server watched counts, and at most three days "
	    "of an outage." },
	{ "policy.max_hold_end", CONF_HOLD_END, AT(policy_max_hold_end), 0, 0,
	    "nothing",
	    "What becomes of a hold after that: it is revoked with "
	    "policy.lost_reason, or nothing but a note in its case. It is "
	    "never lifted." },

	{ "ca.connector", CONF_CONNECTOR, AT(ca_connector), 0, 0, "off",
	    "How the certification authority is told of holds, lifts and "
	    "revocations, see doc/ca.md; the hotline's own hold never waits "
	    "for it." },
	{ "ca.url", CONF_WEB_URL, AT(ca_url), 0, 0, "",
	    "Where it is: of EJBCA such as "
	    "https://ca.example/ejbca/ejbca-rest-api; or the webhook." },
	{ "ca.issuers", CONF_PATH_OR_NONE, AT(ca_issuers), 0, 0, "",
	    "For EJBCA, a file that names the issuers: in each line an issuer "
	    "key hash and a distinguished name." },
	{ "ca.secret_file", CONF_PATH_OR_NONE, AT(ca_secret_file), 0, 0, "",
	    "For a webhook, a file with the secret that signs requests; "
	    "nobody else may read it." },
	{ "ca.tls_ca", CONF_PATH_OR_NONE, AT(ca_tls_ca), 0, 0, "",
	    "The CA certificates, in PEM, that may sign the server's; empty: "
	    "those of the system." },
	{ "ca.tls_cert", CONF_PATH_OR_NONE, AT(ca_tls_cert), 0, 0, "",
	    "Our own certificate with its chain, in PEM." },
	{ "ca.tls_key", CONF_PATH_OR_NONE, AT(ca_tls_key), 0, 0, "",
	    "The private key of ca.tls_cert, in PEM; empty: it is in that "
	    "file." },
	{ "ca.proxy", CONF_TEXT, AT(ca_proxy), 0, 0, "",
	    "A proxy such as http://proxy.example:3128 or "
	    "socks5h://10.0.0.1:1080; empty: none." },
	{ "ca.backdate", CONF_SWITCH, AT(ca_backdate), 0, 0, "off",
	    "Tell EJBCA the time of a hold or revocation, too; the "
	    "certificate profile must allow back-dating." },
	{ "ca.timeout", CONF_DURATION, AT(ca_timeout_us), 100 * MS, 5 * MIN,
	    "20s", "How long one request may take, connecting included." },
	{ "ca.in_flight", CONF_COUNT, AT(ca_in_flight), 1, 16, "4",
	    "Certificates that each server tells it of at once." },
	{ "ca.retry", CONF_DURATION, AT(ca_retry_us), 100 * MS, 1 * H, "5s",
	    "The first delay before telling again; it doubles." },
	{ "ca.retry_max", CONF_DURATION, AT(ca_retry_max_us), 1 * S, 24 * H,
	    "15min", "The longest such delay, and the longest pause." },
	{ "ca.faults", CONF_COUNT, AT(ca_faults), 1, 1000, "5",
	    "Failures in a row after which it is left alone for a while." },
	{ "ca.pause", CONF_DURATION, AT(ca_pause_us), 100 * MS, 1 * H, "30s",
	    "The first such while; it doubles, and a single request then "
	    "probes." },
	{ "ca.audit", CONF_DURATION, AT(ca_audit_us), 0, 720 * H, "0s",
	    "How often a certificate that it was told of is compared again, "
	    "as long as it is valid; 0s: never." },

	{ "notice.holder", CONF_CHANNEL, AT(notice_holder), 0, 0, "off",
	    "How holders hear that their certificates were put on hold, "
	    "lifted or revoked, see doc/notices.md." },
	{ "notice.municipality", CONF_CHANNEL, AT(notice_municipality), 0, 0,
	    "off", "How municipalities hear of a new case." },
	{ "notice.url", CONF_WEB_URL, AT(notice_url), 0, 0, "",
	    "The webhook for notices: a gateway to short messages and "
	    "letters." },
	{ "notice.secret_file", CONF_PATH_OR_NONE, AT(notice_secret_file), 0, 0,
	    "",
	    "A file with the secret that signs its requests; nobody else may "
	    "read it." },
	{ "notice.tls_ca", CONF_PATH_OR_NONE, AT(notice_tls_ca), 0, 0, "",
	    "As ca.tls_ca, for the webhook." },
	{ "notice.tls_cert", CONF_PATH_OR_NONE, AT(notice_tls_cert), 0, 0, "",
	    "As ca.tls_cert, for the webhook." },
	{ "notice.tls_key", CONF_PATH_OR_NONE, AT(notice_tls_key), 0, 0, "",
	    "As ca.tls_key, for the webhook." },
	{ "notice.proxy", CONF_TEXT, AT(notice_proxy), 0, 0, "",
	    "As ca.proxy, for the webhook." },
	{ "notice.addresses", CONF_PATH_OR_NONE, AT(notice_addresses), 0, 0, "",
	    "A file with the municipalities' mail addresses: in each line "
	    "a code of six digits and an address." },
	{ "notice.default_address", CONF_MAIL, AT(notice_default), 0, 0, "",
	    "For municipalities that are not in that file; empty: none." },
	{ "notice.timeout", CONF_DURATION, AT(notice_timeout_us), 100 * MS,
	    5 * MIN, "20s",
	    "How long a request, or handing over a mail, may "
	    "take." },
	{ "notice.in_flight", CONF_COUNT, AT(notice_in_flight), 1, 16, "4",
	    "Notices that each server sends at once." },
	{ "notice.retry", CONF_DURATION, AT(notice_retry_us), 100 * MS, 1 * H,
	    "10s", "The first delay before sending again; it doubles." },
	{ "notice.retry_max", CONF_DURATION, AT(notice_retry_max_us), 1 * S,
	    24 * H, "15min", "The longest such delay, and the longest pause." },
	{ "notice.faults", CONF_COUNT, AT(notice_faults), 1, 1000, "5",
	    "Failures in a row after which a gateway or mail server is left "
	    "alone for a while." },
	{ "notice.pause", CONF_DURATION, AT(notice_pause_us), 100 * MS, 1 * H,
	    "30s", "The first such while; it doubles." },
	{ "notice.give_up", CONF_DURATION, AT(notice_give_up_us), 1 * MIN,
	    720 * H, "72h",
	    "A notice that could not be sent for so long is given up, and "
	    "alarmed." },

	{ "smtp.url", CONF_MAIL_URL, AT(smtp_url), 0, 0, "",
	    "The mail server for notices: smtps://HOST, or smtp://HOST:587, "
	    "which must offer STARTTLS unless it is on this machine." },
	{ "smtp.from", CONF_MAIL, AT(smtp_from), 0, 0, "",
	    "The address that notices come from." },
	{ "smtp.user", CONF_TEXT, AT(smtp_user), 0, 0, "",
	    "The user to log in as; empty: no login." },
	{ "smtp.password_file", CONF_PATH_OR_NONE, AT(smtp_password_file), 0, 0,
	    "", "A file with that user's password; nobody else may read it." },
	{ "smtp.tls_ca", CONF_PATH_OR_NONE, AT(smtp_tls_ca), 0, 0, "",
	    "As ca.tls_ca, for the mail server." },

	{ "redis.address", CONF_SOCKET, AT(redis_address), 0, 0,
	    "127.0.0.1:6379",
	    "The Redis server that holds the revocation cache." },
	{ "redis.sentinels", CONF_SOCKETS, AT(redis_sentinels), 0, 0, "",
	    "Sentinels that name the primary; redis.address is not used "
	    "then. They are asked with the same user, password and TLS." },
	{ "redis.master", CONF_TEXT, AT(redis_master), 0, 0, "mymaster",
	    "What the Sentinels call the primary." },
	{ "redis.read_address", CONF_SOCKET_OR_NONE, AT(redis_read_address), 0,
	    0, "",
	    "The replica that responders read; a status counts as visible "
	    "when it was read back there. Empty: redis.address." },
	{ "redis.replicas", CONF_COUNT, AT(redis_replicas), 0, 16, "0",
	    "Replicas that must have a change before it counts as visible "
	    "(WAIT), so that no fail-over can lose it." },
	{ "redis.wait", CONF_DURATION, AT(redis_wait_us), 10 * MS, 10 * S,
	    "300ms",
	    "How long they, and the server at redis.read_address, may take; "
	    "then it is tried again. Shorter than redis.timeout." },
	{ "redis.user", CONF_TEXT, AT(redis_user), 0, 0, "",
	    "The user of the server's ACL; empty: its default user." },
	{ "redis.password_file", CONF_PATH_OR_NONE, AT(redis_password_file), 0,
	    0, "",
	    "A file that holds the user's password and that nobody else may "
	    "read; it is read anew for each connection. Empty: no "
	    "password." },
	{ "redis.tls", CONF_SWITCH, AT(redis_tls), 0, 0, "off",
	    "Speak TLS 1.2 or newer to every server that is not on a Unix "
	    "socket." },
	{ "redis.tls_ca", CONF_PATH_OR_NONE, AT(redis_tls_ca), 0, 0, "",
	    "The CA certificates, in PEM, that may sign a server's; empty: "
	    "those of the system." },
	{ "redis.tls_cert", CONF_PATH_OR_NONE, AT(redis_tls_cert), 0, 0, "",
	    "Our own certificate with its chain, in PEM, for servers that "
	    "ask for one." },
	{ "redis.tls_key", CONF_PATH_OR_NONE, AT(redis_tls_key), 0, 0, "",
	    "The private key of redis.tls_cert, in PEM; others may not read "
	    "it." },
	{ "redis.tls_name", CONF_TEXT, AT(redis_tls_name), 0, 0, "",
	    "The name or IP address that a server's certificate must be for; "
	    "empty: the IP address it is reached at." },
	{ "redis.timeout", CONF_DURATION, AT(redis_timeout_us), 1 * S, 1 * MIN,
	    "5s",
	    "For connecting, and for a reply, before the link counts as "
	    "lost." },
	{ "redis.retry", CONF_DURATION, AT(redis_retry_us), 1 * MS, 5 * S,
	    "100ms",
	    "The first delay before connecting again; it doubles, up to 5s." },
	{ "redis.mac_key_file", CONF_PATH_OR_NONE, AT(redis_mac_key_file), 0, 0,
	    "",
	    "The key that signs what stands in the revocation cache, so that "
	    "whoever can write into Redis can make no record; make it with "
	    "`holdline key create --cache` and give responders a copy." },
	{ "redis.compare_every", CONF_DURATION, AT(redis_compare_us), 1 * S,
	    1 * H, "30s",
	    "How often the whole cache is compared with the store and "
	    "repaired; a fault lasts at most one and a half times that." },
	{ "redis.stuck_after", CONF_DURATION, AT(redis_stuck_us), 0, 1 * H,
	    "10s",
	    "How long a hold may be stored and not published before the "
	    "cache no longer counts as complete, so that responders answer "
	    "\"try later\" and not \"good\". 0s: as long as it likes." },

	{ "ocsp.listen", CONF_SOCKET, AT(ocsp_listen), 0, 0, "127.0.0.1:2560",
	    "Where holdline-ocspd answers HTTP." },
	{ "ocsp.share_port", CONF_SWITCH, AT(ocsp_share_port), 0, 0, "off",
	    "Let several processes of holdline-ocspd listen there; the "
	    "kernel spreads connections among them." },
	{ "ocsp.issuers", CONF_PATHS, AT(ocsp_issuers), 0, 0, "",
	    "The certificates of the authorities whose certificates are "
	    "answered for." },
	{ "ocsp.signers", CONF_PATHS, AT(ocsp_signers), 0, 0, "",
	    "The certificates of the delegated signers, one issued by each "
	    "of ocsp.issuers.  A renewed one is taken up within a minute, or "
	    "at once on SIGHUP." },
	{ "ocsp.keys", CONF_PATHS, AT(ocsp_keys), 0, 0, "",
	    "The signers' private keys, in any order: files that only their "
	    "owner may read, or pkcs11: URIs." },
	{ "ocsp.signer_alarm", CONF_DURATION, AT(ocsp_signer_alarm_us), 0,
	    8760 * H, "336h",
	    "Warn, once a day, when a signer's certificate ends within so "
	    "long." },
	{ "ocsp.fresh", CONF_DURATION, AT(ocsp_fresh_us), 10 * S, 1 * H, "60s",
	    "From thisUpdate to nextUpdate of good and of held: so long may "
	    "a relying party go on with what it was told." },
	{ "ocsp.fresh_revoked", CONF_DURATION, AT(ocsp_fresh_revoked_us),
	    10 * S, 720 * H, "12h", "The same for what is revoked for good." },
	{ "ocsp.kept", CONF_COUNT, AT(ocsp_kept), 0, 10000000, "20000",
	    "Signed answers that are kept to be given again, about 1.5 KiB "
	    "each; the cache is asked before each one." },
	{ "ocsp.max_certs", CONF_COUNT, AT(ocsp_max_certs), 1, 100, "20",
	    "Certificates that one request may ask about." },
	{ "ocsp.max_connections", CONF_COUNT, AT(ocsp_max_connections), 1,
	    100000, "4096",
	    "Connections at once; one more takes the place of one whose "
	    "request is late, else of the one idle for longest, else of one "
	    "that hardly takes its answer." },
	{ "ocsp.max_downloads", CONF_COUNT, AT(ocsp_max_downloads), 1, 100000,
	    "256",
	    "CRLs that are sent at once; one more takes the place of one "
	    "whose client hardly takes it, else it is answered by 503." },
	{ "ocsp.request_timeout", CONF_DURATION, AT(ocsp_request_us), 1 * S,
	    10 * MIN, "10s",
	    "How long a client may take to send a request, or to take an "
	    "answer (a second more for each 16 KiB, of which it must take "
	    "one in each such time)." },
	{ "ocsp.idle_timeout", CONF_DURATION, AT(ocsp_idle_us), 1 * S, 1 * H,
	    "60s", "How long a client may be silent between requests." },
	{ "ocsp.redis_wait", CONF_DURATION, AT(ocsp_redis_wait_us), 10 * MS,
	    10 * S, "500ms",
	    "How long a request waits for the cache before it is answered "
	    "by tryLater." },
	{ "ocsp.sign_threads", CONF_COUNT, AT(ocsp_sign_threads), 1, 64, "4",
	    "Threads that wait for signatures of a PKCS#11 token; keys in "
	    "files need none." },
	{ "ocsp.sign_queue", CONF_COUNT, AT(ocsp_sign_queue), 1, 100000, "256",
	    "Requests that may wait for a token's signature; one more is "
	    "answered by tryLater." },
	{ "ocsp.metrics", CONF_SOCKET_OR_NONE, AT(ocsp_metrics), 0, 0, "",
	    "Where GET /metrics tells the counters in Prometheus' format, on "
	    "loopback or a Unix socket only.  Empty: nowhere." },
};

const size_t conf_table_n = sizeof(conf_table) / sizeof(conf_table[0]);

/* ---- names: "agi.listen" is `listen` in section `agi` */

const char *
conf_table_leaf(const struct conf_def *d)
{
	const char *dot = strchr(d->name, '.');

	return dot == NULL ? d->name : dot + 1;
}

size_t
conf_table_section_len(const struct conf_def *d)
{
	const char *dot = d == NULL ? NULL : strchr(d->name, '.');

	return dot == NULL ? 0 : (size_t)(dot - d->name);
}

bool
conf_table_same_section(const struct conf_def *a, const struct conf_def *b)
{
	size_t n = conf_table_section_len(a);

	return n == conf_table_section_len(b) &&
	    (n == 0 || strncmp(a->name, b->name, n) == 0);
}
