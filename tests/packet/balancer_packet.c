/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The balancer's packets, and what its maps hold when all is over. */
#include "unit/sample.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>

#include "packet/balancer_inner.h"

#define TCP_FLAGS 13
#define TCP_SYN	  0x02
#define TCP_RST	  0x04
#define TCP_FIN	  0x01
#define TCP_ACK	  0x10

static bool is_v6(unsigned int flow)
{
	return flow / SCENE_SERVICES % 4 == 3 && flow % SCENE_SERVICES != PREFIX_SERVICE;
}

void balancer_flow(unsigned int flow, unsigned int *service, bool *udp)
{
	*service = flow % SCENE_SERVICES;
	*udp = flow / SCENE_SERVICES % 3 == 2;
}

/* A few source addresses, so that flows meet in the slots of services that hash by source. */
void balancer_make_client(struct balancer_client *client, unsigned int flow)
{
	unsigned int service;
	struct client sender = {.from_port = (__u16)(40000 + flow), .to_port = 443};
	char from[32], to[32];
	bool udp, v6 = is_v6(flow);

	balancer_flow(flow, &service, &udp);
	snprintf(from, sizeof(from), v6 ? "2001:db8:1::%u" : "198.51.100.%u", 1 + flow / SCENE_SERVICES % 5);
	snprintf(to, sizeof(to), v6 ? "2001:db8::%u" : "192.0.2.%u",
		 service == PREFIX_SERVICE ? 128 + flow : 1 + service);
	sender.from = from;
	sender.to = to;
	sender.protocol = udp ? IPPROTO_UDP : IPPROTO_TCP;
	frame_client(&client->data, &sender);
	sender.ip_length = (v6 ? 40 : 20) + (udp ? 8 : 20);
	frame_client(&client->bare, &sender);
	client->tuple = (struct flow_tuple){
		.source_port = htons(sender.from_port),
		.destination_port = htons(sender.to_port),
		.protocol = sender.protocol,
		.version = v6 ? 6 : 4,
	};
	memcpy(client->tuple.source, client->data.data + FRAME_IP + (v6 ? 8 : 12), v6 ? 16 : 4);
	memcpy(client->tuple.destination, client->data.data + FRAME_IP + (v6 ? 24 : 16), v6 ? 16 : 4);
}

static struct frame make_frame(struct balancer_client *client, enum packet_kind kind)
{
	static const __u8 flags[] = {TCP_SYN, TCP_ACK, TCP_ACK, TCP_FIN | TCP_ACK, TCP_RST};
	struct frame frame = kind == PACKET_DATA ? client->data : client->bare;
	size_t transport = client->tuple.version == 6 ? FRAME_TRANSPORT6 : FRAME_TRANSPORT4;
	__u32 sequence;

	if (client->tuple.protocol != IPPROTO_TCP)
		return frame;
	if (kind == PACKET_SYN) /* by the golden ratio: far from all connections before, and from their forgers */
		client->sequence += 0x9e3779b9;
	else if (kind == PACKET_DATA)
		client->sequence += 1000;
	sequence = kind == PACKET_NOISE ? client->sequence + (1U << 31) : client->sequence;
	frame_put16(&frame, transport + 4, (__u16)(sequence >> 16));
	frame_put16(&frame, transport + 6, (__u16)sequence);
	frame.data[transport + TCP_FLAGS] = flags[kind];
	if (kind == PACKET_END && client->sequence & 1000)
		frame.data[transport + TCP_FLAGS] = TCP_RST;
	return frame;
}

/* Whose the frame is that came out: the outer IPv4 destination. */
static __u32 run(const struct balancer *balancer, const struct frame *in)
{
	struct frame out;
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = in->data, .data_size_in = (__u32)in->length,
		    .data_out = out.data, .data_size_out = sizeof(out.data), .repeat = 1);
	__be32 host;

	assert_int_equal(bpf_prog_test_run_opts(balancer->program.fd, &options), 0);
	if (options.retval == XDP_DROP || options.retval == XDP_PASS)
		return 0;
	memcpy(&host, out.data + FRAME_IP + 16, sizeof(host));
	return ntohl(host) - 0x0a000000;
}

/*
 * The program stamps records with the real clock: the virtual one instead. Written in place, which keeps
 * the record's place in the LRU list.
 */
static void stamp(const struct balancer *balancer, const struct flow_tuple *tuple, const struct flow_record *before,
		  __u32 now)
{
	int fd = balancer->maps.fd[MAP_flows];
	struct flow_record record;

	if (bpf_map_lookup_elem(fd, tuple, &record))
		return;
	if (!before || record.born != before->born)
		record.born = now;
	record.seen = now;
	assert_int_equal(bpf_map_update_elem(fd, tuple, &record, BPF_EXIST), 0);
}

__u32 balancer_send(struct balancer *balancer, unsigned int flow, enum packet_kind kind, __u32 now, bool *recorded)
{
	struct balancer_client *client = &balancer->clients[flow];
	struct frame frame = make_frame(client, kind);
	struct flow_record before;
	__u32 host;

	*recorded = !bpf_map_lookup_elem(balancer->maps.fd[MAP_flows], &client->tuple, &before);
	host = run(balancer, &frame);
	stamp(balancer, &client->tuple, *recorded ? &before : NULL, now);
	return host;
}

bool balancer_is_recorded(const struct balancer *balancer, unsigned int flow)
{
	struct flow_record record;

	return !bpf_map_lookup_elem(balancer->maps.fd[MAP_flows], &balancer->clients[flow].tuple, &record);
}

bool balancer_evict(struct balancer *balancer, unsigned int flow)
{
	return !bpf_map_delete_elem(balancer->maps.fd[MAP_flows], &balancer->clients[flow].tuple);
}

static void pure_table(const struct balancer *balancer, const struct scene *scene, unsigned int number, __u16 *table)
{
	const struct scene_pool *pool = &scene->pools[number];
	const struct config *config = balancer->state.config;
	struct maglev_backend members[SCENE_BACKENDS];
	char names[SCENE_BACKENDS][8], name[8];
	size_t count = 0;

	snprintf(name, sizeof(name), "p%u", number);
	for (unsigned int i = 0; i < SCENE_BACKENDS; i++) {
		const struct scene_backend *backend = &pool->backends[i];
		struct address address = sample_host(backend->host);

		if (!backend->host)
			continue;
		snprintf(names[count], sizeof(names[count]), "b%u%s", i, backend->renamed ? "x" : "");
		members[count] = (struct maglev_backend){
			.name = names[count],
			.weight = scene_is_good(backend) ? backend->weight : 0,
			.owner = ids_backend(balancer->state.ids, name, &address),
		};
		count++;
	}
	assert_int_equal(maglev_build(table, pool->table_size, members, count, config->hash_key), 0);
}

static const char *unsettled_slots(struct balancer *balancer, const struct scene *scene)
{
	const struct maps *maps = &balancer->maps;
	struct slot *wanted = calloc(maps->slot_capacity, sizeof(*wanted));
	__u16 owners[4096];
	const char *wrong = NULL;

	for (unsigned int i = 0; i < SCENE_POOLS; i++) {
		char name[8];

		if (!scene->pools[i].there)
			continue;
		snprintf(name, sizeof(name), "p%u", i);
		pure_table(balancer, scene, i, owners);
		for (__u32 j = 0; j < scene->pools[i].table_size; j++)
			wanted[ids_pool_first(balancer->state.ids, name) + j].owner = owners[j];
	}
	for (__u32 i = 0; i < maps->slot_capacity && !wrong; i++) {
		const struct slot *slot = &maps->slots[i];

		if (memcmp(slot, &wanted[i], sizeof(*slot)) == 0)
			continue;
		snprintf(balancer->text, sizeof(balancer->text),
			 "slot %u is not settled: owner %u (wanted %u), previous %u, phase %u", i, slot->owner,
			 wanted[i].owner, slot->previous, slot->phase);
		wrong = balancer->text;
	}
	free(wanted);
	return wrong;
}

const char *balancer_unsettled(struct balancer *balancer, const struct scene *scene)
{
	const char *wrong = unsettled_slots(balancer, scene);

	for (unsigned int i = 0; i < SCENE_SERVICES && !wrong; i++) {
		char name[8];

		snprintf(name, sizeof(name), "s%u", i);
		if (scene->services[i].there && balancer->maps.moves[ids_service(balancer->state.ids, name)].phase)
			wrong = "a service's move does not end";
	}
	for (size_t i = 0; i < balancer->plan->vip_count && !wrong; i++)
		if (balancer->plan->vips[i].service.flags & SERVICE_MOVING)
			wrong = "a VIP is marked as moving for ever";
	for (unsigned int i = 0; i < SCENE_FLOWS && !wrong; i++)
		if (balancer_is_recorded(balancer, i))
			wrong = "a record is left";
	return wrong;
}

const char *balancer_explain(struct balancer *balancer, unsigned int flow)
{
	const struct balancer_client *client = &balancer->clients[flow];
	const struct service_move *move;
	struct flow_record record;
	unsigned int service;
	const struct slot *slot;
	char name[8];
	size_t used;
	bool udp;

	balancer_flow(flow, &service, &udp);
	snprintf(name, sizeof(name), "s%u", service);
	if (!config_service_find(balancer->state.config, name))
		return "no service";
	move = &balancer->maps.moves[ids_service(balancer->state.ids, name)];
	if (!move->now.slot_count)
		return "no table";
	slot = &balancer->maps
			.slots[sweep_slot(&balancer->program.settings.key, &client->tuple, move->now, move->flags)];
	used = (size_t)snprintf(balancer->text, sizeof(balancer->text), "slot: owner %u previous %u phase %u; move %u",
				slot->owner, slot->previous, slot->phase, move->phase);
	if (move->before.slot_count) {
		slot = &balancer->maps.slots[sweep_slot(&balancer->program.settings.key, &client->tuple, move->before,
							move->flags_before)];
		used += (size_t)snprintf(balancer->text + used, sizeof(balancer->text) - used,
					 " (before: owner %u previous %u phase %u)", slot->owner, slot->previous,
					 slot->phase);
	}
	if (!bpf_map_lookup_elem(balancer->maps.fd[MAP_flows], &client->tuple, &record))
		snprintf(balancer->text + used, sizeof(balancer->text) - used, "; record: backend %u flags %u seen %u",
			 record.backend, record.flags, record.seen);
	return balancer->text;
}
