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

enum xdp_mode { MODE_AUTO, MODE_NATIVE, MODE_GENERIC };
enum attach { ATTACH_EXCLUSIVE, ATTACH_SHARED }; /* own bpf_link, or libxdp's dispatcher */
enum forward { FORWARD_IPIP, FORWARD_GUE, FORWARD_L2 };
enum hash_by { HASH_FLOW, HASH_SOURCE };
enum probe_type { PROBE_TCP, PROBE_HTTP };

/* Values as the config spells them, indexed by the enums above. */
extern const char *const mode_names[], *const attach_names[], *const forward_names[], *const hash_names[],
											      *const probe_type_names[];

struct config_interface {
	const char *name;
	enum xdp_mode mode;
	enum attach attach;
};

/* A probe as configured. Nothing runs it yet: every backend counts as up. */
struct config_probe {
	bool set;
	enum probe_type type;
	__u32 interval_ms, timeout_ms;
	__u32 rise, fall;
	__u16 port;		       /* 0: the service's */
	const char *path;	       /* http */
	__u16 expect_low, expect_high; /* http status range */
};

struct config_backend {
	const char *name; /* unique in its pool */
	struct address address;
	__u32 weight; /* 0 to CONFIG_MAX_WEIGHT; 0: no share of the table */
};

struct config_pool {
	const char *name;
	enum forward forward;
	__u16 gue_port;	  /* UDP destination port, host byte order */
	__u32 table_size; /* slots; a prime */
	struct config_probe probe;
	struct config_backend *backends; /* sorted by name */
	size_t backend_count;
	size_t line; /* in its file */
};

struct config_port {
	__u16 port;    /* host byte order; 0: any */
	__u8 protocol; /* IPPROTO_TCP or IPPROTO_UDP */
};

struct config_service {
	const char *name;
	struct prefix *addresses;
	size_t address_count;
	struct config_port *ports;
	size_t port_count;
	enum hash_by hash;
	size_t pool; /* index in config.pools */
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
	struct arena *arena; /* owns everything above */
};

#define CONFIG_NAME_MAX		  63
#define CONFIG_MAX_WEIGHT	  65535
#define CONFIG_DEFAULT_WEIGHT	  100
#define CONFIG_DEFAULT_TABLE_SIZE 65537
#define CONFIG_MAX_INTERFACES	  64
#define CONFIG_PORT_TEXT	  12 /* room for a port as text */

void config_free(struct config *config);

/* NULL if there is none of that name. */
const struct config_pool *config_pool_find(const struct config *config, const char *name);
const struct config_service *config_service_find(const struct config *config, const char *name);
const struct config_backend *config_backend_find(const struct config_pool *pool, const char *name);

/* Writes a port as the config spells it ("443/tcp", "any/udp") into `text` and returns it. */
char *config_port_format(const struct config_port *port, char text[static CONFIG_PORT_TEXT]);

#endif
