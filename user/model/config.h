/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A configuration: what one YAML file asks for, validated whole. It is read
 * into fresh memory (user/in/config_file.c), never changed afterwards, and freed
 * whole; the agent compares two of them to know what to do.
 */
#ifndef SLUICE_CONFIG_H
#define SLUICE_CONFIG_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>

#include "lib/address.h"
#include "service_options.h"

enum xdp_mode { MODE_AUTO, MODE_NATIVE, MODE_GENERIC };
enum attach { ATTACH_EXCLUSIVE, ATTACH_SHARED }; /* own bpf_link, or libxdp's dispatcher */
enum forward { FORWARD_IPIP, FORWARD_GUE, FORWARD_L2 };
enum hash_by { HASH_FLOW, HASH_SOURCE };
enum port_policy { UNKNOWN_PASS, UNKNOWN_DROP, UNKNOWN_REJECT };
enum echo_policy { ECHO_ANSWER, ECHO_PASS, ECHO_DROP };
enum fragment_policy { FRAGMENTS_FOLLOW, FRAGMENTS_SOURCE }; /* the first one of their datagram, or the source's hash */
enum excess { EXCESS_DROP, EXCESS_PASS };
enum probe_type { PROBE_NONE, PROBE_TCP, PROBE_HTTP, PROBE_HTTPS, PROBE_UDP, PROBE_DNS, PROBE_PING, PROBE_EXEC };
#define PROBE_TYPES 8

/* Where a probe connects to. VIA_AUTO: the VIP where that can be, else the backend's address. */
enum probe_via { VIA_AUTO, VIA_VIP, VIA_ADDRESS };

/* A backend of which no probe has said anything yet: not in the table, in it, or counted as failed. */
enum health_start { START_PROBE, START_UP, START_DOWN };

/* Values as the config spells them, indexed by the enums above. */
extern const char *const mode_names[], *const attach_names[], *const forward_names[], *const hash_names[];
extern const char *const probe_type_names[PROBE_TYPES];
extern const char *const via_names[];
extern const char *const start_names[];
extern const char *const port_policy_names[], *const echo_policy_names[], *const fragment_policy_names[];
extern const char *const excess_names[], *const rule_action_names[];

struct config_interface {
	const char *name;
	enum xdp_mode mode;
	enum attach attach;
};

struct config_bytes {
	const char *data; /* NULL: none. May hold any byte; a NUL follows the end */
	size_t length;
};

struct config_range {
	__u16 low, high; /* inclusive */
};

/*
 * A probe as configured: one flat struct for all types, with what the type does not have left
 * zero. Equal ones (config_probe_equal) need not be started anew by a reload.
 */
struct config_probe {
	enum probe_type type;
	enum probe_via via;
	__u32 interval_ms, fast_interval_ms, timeout_ms; /* fast: while a verdict is pending; 0: the interval */
	__u32 rise, fall;				 /* consecutive passes and failures that make a verdict */
	__u16 port;					 /* host byte order, 0: the service's. Not of ping and exec */

	/* tcp and udp: what to send, and what the reply must begin with; http(s): what the body must hold */
	struct config_bytes send, expect;
	const char *expect_regex; /* http(s): POSIX extended regular expression of the body, or NULL */

	/* http and https */
	const char *method;   /* "GET" */
	const char *path;     /* "/" */
	const char *host;     /* Host header; NULL: the address that is connected to */
	const char **headers; /* "Name: value" each */
	size_t header_count;
	struct config_range *status; /* any of these */
	size_t status_count;
	__u8 http_version; /* 1: HTTP/1.1, 2: HTTP/2 (over TLS by ALPN, else with prior knowledge) */
	const char *sni;   /* https: name to ask for and to verify; NULL: host, and without that the address */
	const char *ca;	   /* https: file of CA certificates; NULL: the system's */
	bool insecure;	   /* https: verify: false */

	/* dns */
	const char *name;	       /* to ask for, without the last dot */
	__u16 record;		       /* record type: 1 A, 28 AAAA, ... */
	__u8 rcode;		       /* expected */
	bool tcp;		       /* over TCP */
	struct address expect_address; /* that an A or AAAA answer must hold; family 0: any */

	/* exec */
	const char **command; /* argv, then NULL; command[0] is an absolute path */
	const char *user;     /* that it runs as; "nobody" */
};

/*
 * How a pool's probes become states: user/model/health.h. hold_* make the circuit breaker:
 * a backend that falls again and again stays out longer each time.
 */
struct config_judgement {
	bool any; /* one probe that passes is enough; else all must */
	enum health_start start;
	__u32 min_healthy; /* backends, or percent of them; 0: none */
	bool min_healthy_percent;
	__u32 ramp_ms;	     /* slow start, 0: none */
	__u32 hold_first_ms; /* hold-down of the second fall, doubled by each further one; 0: never held down */
	__u32 hold_max_ms;
	__u32 hold_decay_ms; /* up for so long forgives one fall */
};

struct config_backend {
	const char *name; /* unique in its pool */
	struct address address;
	__u32 weight; /* 0 to CONFIG_MAX_WEIGHT; 0: no share of the table */
	bool local;   /* where the address is the host's own, its stack gets the packets; elsewhere it means nothing */
	__u8 server_id_length; /* of the QUIC server ID; 0: none */
	__u8 server_id[QUIC_SERVER_ID_MAX];
};

/* What the outer header says, where the field is nothing that has to be so. */
struct config_outer {
	bool df;  /* IPv4: don't fragment */
	__u8 ttl; /* or hop limit */
	struct prefix source4,
		source6; /* ipip: the source's bits behind the prefix come from the flow hash; length 0: no */
};

/* How long connections are kept where they are when a table changes: model/transition.h. Whole seconds, in ms. */
struct config_transition {
	__u32 window_ms;     /* longest silence of a TCP connection that still keeps it; 0: no transitions */
	__u32 udp_window_ms; /* the same for UDP, not longer than window */
	__u32 idle_ms;	     /* silence that ends a TCP connection which has a record */
};

struct config_pool {
	const char *name;
	enum forward forward;
	__u16 gue_port;	 /* UDP destination port, host byte order */
	bool second_hop; /* backends forward what is not theirs; with FORWARD_GUE alone */
	struct config_transition transition;
	struct config_outer outer;
	__u8 quic_server_id_length[QUIC_CONFIGS]; /* by config ID: draft-ietf-quic-load-balancers; 0: no such config */
	__u32 table_size;			  /* slots; a prime */
	struct config_probe *probes;		  /* in the file's order; none: every backend counts as up */
	size_t probe_count;
	struct config_judgement judgement;
	size_t fallback; /* index in config.pools of the pool to use when none is usable, or CONFIG_NONE */
	struct config_backend *backends; /* sorted by name */
	size_t backend_count;
	size_t line; /* in its file */
};

struct config_port {
	__u16 port;    /* host byte order; 0: any */
	__u8 protocol; /* IPPROTO_TCP or IPPROTO_UDP */
};

/* A token bucket: limit.h. */
struct config_limit {
	__u32 rate;  /* a second; 0: no limit */
	__u32 burst; /* at least 1 */
};

struct config_limits {
	struct config_limit source_packets, source_connections; /* of one source */
	struct config_limit service_packets, service_connections;
	__u8 source_bits4, source_bits6; /* prefix lengths that make one source */
	enum excess excess;
};

/* Sources of a service: the first rule that has a packet's source decides; without one, it is allowed. */
struct config_rule {
	enum rule_action action;
	size_t pool; /* of RULE_POOL: index in config.pools */
	struct prefix *from;
	size_t from_count;
};

struct config_service {
	const char *name;
	struct prefix *addresses;
	size_t address_count;
	struct config_port *ports;
	size_t port_count;
	enum hash_by hash;
	size_t pool;		       /* index in config.pools */
	enum port_policy unknown_port; /* these three are the same for all services of an address */
	enum echo_policy echo;
	enum fragment_policy fragments; /* ... but here, for one service of an address alone */
	__u16 vlan;			/* innermost tag that its packets must have; 0: any or none */
	__u16 mss;			/* most that a SYN may say; 0: anything */
	bool mss_auto;
	struct config_limits limits;
	struct config_rule *rules;
	size_t rule_count;
};

/* A program to be run for events: user/agent/notify.h. */
struct config_notify {
	const char **command; /* argv, then NULL; NULL: none. command[0] is an absolute path */
	const char *user;     /* that it runs as; "nobody" */
	__u32 timeout_ms;
	__u32 rate; /* runs a minute at most; events beyond that are told together */
};

struct config {
	const char *file;
	__u8 hash_key[16];
	struct config_interface *interfaces;
	size_t interface_count;
	struct config_pool *pools; /* sorted by name */
	size_t pool_count;
	struct config_service *services; /* sorted by name */
	size_t service_count;
	struct config_notify notify;
	__u32 flow_records;	/* that the flow map has room for */
	__u32 fragment_records; /* the same for datagrams in fragments */
	__u32 source_records;	/* and for sources of services that limit them */
	__u32 reply_rate;	/* packets a second that the dataplane answers by itself; 0: no bound */
	struct arena *arena;	/* owns everything above */
};

#define CONFIG_NONE			((size_t)-1)
#define CONFIG_MAX_PROBES		8 /* of a pool */
#define CONFIG_NAME_MAX			63
#define CONFIG_MAX_WEIGHT		65535
#define CONFIG_DEFAULT_WEIGHT		100
#define CONFIG_DEFAULT_TABLE_SIZE	65537
#define CONFIG_MAX_INTERFACES		64
#define CONFIG_DEFAULT_WINDOW_MS	(15 * 60 * 1000U)
#define CONFIG_DEFAULT_UDP_WINDOW_MS	(60 * 1000U)
#define CONFIG_DEFAULT_IDLE_MS		(2 * 3600 * 1000U)
#define CONFIG_MAX_WINDOW_MS		(24 * 3600 * 1000U)
#define CONFIG_DEFAULT_FLOW_RECORDS	(1U << 20)
#define CONFIG_MIN_FLOW_RECORDS		1024U
#define CONFIG_MAX_FLOW_RECORDS		(1U << 26)
#define CONFIG_DEFAULT_FRAGMENT_RECORDS (1U << 14)
#define CONFIG_MIN_FRAGMENT_RECORDS	1024U
#define CONFIG_MAX_FRAGMENT_RECORDS	(1U << 22)
#define CONFIG_DEFAULT_SOURCE_RECORDS	(1U << 18)
#define CONFIG_MIN_SOURCE_RECORDS	1024U
#define CONFIG_MAX_SOURCE_RECORDS	(1U << 26)
#define CONFIG_DEFAULT_REPLY_RATE	1000U
#define CONFIG_MAX_RATE			10000000U /* of limits and replies, a second */
#define CONFIG_DEFAULT_SOURCE_BITS4	32
#define CONFIG_DEFAULT_SOURCE_BITS6	64
#define CONFIG_DEFAULT_TTL		64
#define CONFIG_PORT_TEXT		12 /* room for a port as text */
#define CONFIG_DURATION_TEXT		24

void config_free(struct config *config);

/* NULL if there is none of that name. */
const struct config_pool *config_pool_find(const struct config *config, const char *name);
const struct config_service *config_service_find(const struct config *config, const char *name);
const struct config_backend *config_backend_find(const struct config_pool *pool, const char *name);

/* The port that such a probe is usually for, in host byte order; 0 if there is none. */
__u16 config_probe_usual_port(enum probe_type type);

/* Whether they probe the same in the same way. */
bool config_probe_equal(const struct config_probe *a, const struct config_probe *b);

/* Copies `from` with all that it points to into the arena. */
void config_probe_copy(struct config_probe *to, const struct config_probe *from, struct arena *arena);

/*
 * Calls `tell` for each key in which two probes differ, with both values as text ("none" where there is
 * none). What may be a secret, headers' values, is not in the texts.
 */
typedef void (*config_change_fn)(void *argument, const char *key, const char *before, const char *after);
void config_probe_compare(const struct config_probe *a, const struct config_probe *b, config_change_fn tell,
			  void *argument);

/* Names of DNS record types and response codes, as the config spells them. */
struct config_word {
	const char *name;
	__u16 value;
};
#define CONFIG_RECORDS 9
#define CONFIG_RCODES  6
extern const struct config_word config_records[CONFIG_RECORDS], config_rcodes[CONFIG_RCODES];

/* The word's name, or "?" if no word has the value. */
const char *config_word_name(const struct config_word *words, size_t count, __u16 value);

/* Writes a port as the config spells it ("443/tcp", "any/udp") into `text` and returns it. */
char *config_port_format(const struct config_port *port, char text[static CONFIG_PORT_TEXT]);

/* The same for a duration in milliseconds: "500ms", "2s", "1m", "1h". */
char *config_duration_format(__u32 milliseconds, char text[static CONFIG_DURATION_TEXT]);

#endif
