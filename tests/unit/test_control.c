/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The control socket and the reports behind it, over a real socket; the dataplane alone is a stand-in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <event2/event.h>
#include <linux/neighbour.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "in/control.h"
#include "lib/memory.h"

#define DEADLINE 20 /* seconds after which a test has hung */

static struct counters fake_counters[3][64];
static bool counters_broken;

int dataplane_counters(struct dataplane *dataplane, enum counted what, __u32 first, __u32 count, struct counters *out)
{
	(void)dataplane;
	for (__u32 i = 0; i < count && first + i < 64; i++)
		out[i] = fake_counters[what][first + i];
	return counters_broken ? -EIO : 0;
}

json_t *dataplane_interfaces_json(const struct dataplane *dataplane)
{
	(void)dataplane;
	return json_array();
}

json_t *dataplane_bpf_json(const struct dataplane *dataplane)
{
	(void)dataplane;
	return json_pack("{s:{s:i}}", "program", "id", 7);
}

struct fixture {
	struct config config;
	struct config_pool pool;
	struct config_backend backends[2];
	struct config_service service;
	struct prefix vip;
	struct config_port port;
	struct link link;
	struct route route;
	struct neighbour neighbour;
	struct state state;
	struct plan plan;
	struct table table, *tables[1];
	struct report report;
	struct event_base *base;
	struct control *control;
	char folder[32], path[64];
	int reloads;
};

static int reload(void *agent, json_t **reply)
{
	struct fixture *fixture = agent;

	fixture->reloads++;
	*reply = json_pack("{s:s}", "error", "sluice.yaml:1:1: error: \"wrong\"");
	return 422;
}

static int diff(void *agent, json_t **reply)
{
	(void)agent;
	*reply = json_pack("{s:[]}", "changes");
	return 200;
}

static int detach(void *agent, json_t **reply)
{
	const struct timeval soon = {.tv_usec = 100000};
	struct fixture *fixture = agent;

	*reply = json_object();
	event_base_loopexit(fixture->base, &soon);
	return 200;
}

static const struct report *report(void *agent)
{
	return &((struct fixture *)agent)->report;
}

static const struct control_actions actions = {.reload = reload, .diff = diff, .detach = detach, .report = report};

/* One pool "web" with web1 (on link at 10.0.0.11, resolved) and web2 (no route), one service. */
static void fill(struct fixture *fixture)
{
	__u16 web1;

	address_parse("10.0.0.11", &fixture->backends[0].address);
	address_parse("10.0.0.12", &fixture->backends[1].address);
	fixture->backends[0].name = "web1";
	fixture->backends[0].weight = 300;
	fixture->backends[1].name = "web2";
	fixture->backends[1].weight = 100;
	fixture->pool =
		(struct config_pool){.name = "web", .table_size = 7, .backends = fixture->backends, .backend_count = 2};
	prefix_parse("192.0.2.10", &fixture->vip);
	fixture->port = (struct config_port){443, IPPROTO_TCP};
	fixture->service = (struct config_service){.name = "www",
						   .addresses = &fixture->vip,
						   .address_count = 1,
						   .ports = &fixture->port,
						   .port_count = 1};
	fixture->config = (struct config){.file = "/etc/\"odd\".yaml",
					  .pools = &fixture->pool,
					  .pool_count = 1,
					  .services = &fixture->service,
					  .service_count = 1};
	fixture->state.config = &fixture->config;
	fixture->state.config_loaded = 1767225600;
	fixture->state.started = time(NULL) - 5;
	fixture->state.ids = ids_new();
	assert_int_equal(ids_assign(fixture->state.ids, &fixture->config), 0);
	web1 = ids_backend(fixture->state.ids, "web", "web1");

	fixture->link = (struct link){.ifindex = 3, .name = "eth0", .ethernet = true, .up = true, .mtu = 1500};
	HASH_ADD(hh, fixture->state.network.links, ifindex, sizeof(__u32), &fixture->link);
	fixture->route =
		(struct route){.destination = fixture->backends[0].address, .kind = ROUTE_UNICAST, .ifindex = 3};
	address_parse("10.0.0.1", &fixture->route.source);
	HASH_ADD(hh, fixture->state.network.routes, destination, sizeof(struct address), &fixture->route);
	fixture->neighbour = (struct neighbour){.key = {3, fixture->backends[0].address},
						.known = true,
						.mac = {2, 0, 0, 0, 0, 0xb1},
						.nud = NUD_STALE};
	HASH_ADD(hh, fixture->state.network.neighbours, key, sizeof(struct neighbour_key), &fixture->neighbour);

	fixture->table = (struct table){.pool = "web", .size = 7, .owner = memory_new(7, sizeof(__u16))};
	for (int i = 0; i < 5; i++)
		fixture->table.owner[i] = web1;
	fixture->tables[0] = &fixture->table;
	fixture->plan = (struct plan){.tables = fixture->tables, .table_count = 1};
	fixture->plan.backends = memory_new(SLUICE_MAX_BACKENDS + 1, sizeof(struct backend));
	fixture->plan.backends[web1].encap = ENCAP_IPIP4;
	fixture->report = (struct report){.state = &fixture->state,
					  .plan = &fixture->plan,
					  .dataplane = (struct dataplane *)fixture /* never looked into */};

	memset(fake_counters, 0, sizeof(fake_counters));
	counters_broken = false;
	fake_counters[COUNTED_REASONS][REASON_forwarded] = (struct counters){70, 7000};
	fake_counters[COUNTED_REASONS][REASON_redirected] = (struct counters){30, 3000};
	fake_counters[COUNTED_BACKENDS][web1] = (struct counters){100, 10000};
	fake_counters[COUNTED_SERVICES][ids_service(fixture->state.ids, "www")] =
		(struct counters){(1ULL << 53) + 1, 5};
}

static int setup(void **state)
{
	struct fixture *fixture = memory_new(1, sizeof(*fixture));

	fill(fixture);
	fixture->base = event_base_new();
	strcpy(fixture->folder, "/tmp/sluice-test-XXXXXX");
	if (!mkdtemp(fixture->folder))
		return -1;
	snprintf(fixture->path, sizeof(fixture->path), "%s/run/control.sock", fixture->folder);
	*state = fixture;
	return control_open(&fixture->control, fixture->base, fixture->path, NULL, &actions, fixture);
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;
	char run[64];

	control_close(fixture->control);
	snprintf(run, sizeof(run), "%s/run", fixture->folder);
	unlink(fixture->path);
	rmdir(run);
	rmdir(fixture->folder);
	event_base_free(fixture->base);
	HASH_CLEAR(hh, fixture->state.network.links);
	HASH_CLEAR(hh, fixture->state.network.routes);
	HASH_CLEAR(hh, fixture->state.network.neighbours);
	ids_free(fixture->state.ids);
	free(fixture->table.owner);
	free(fixture->plan.backends);
	free(fixture);
	return 0;
}

/* A client on the server's own loop: what it got until the server closed. */
struct client {
	struct event_base *base;
	int fd;
	char *text;
	size_t length;
	bool closed;
};

static void client_read(evutil_socket_t fd, short events, void *argument)
{
	struct client *client = argument;
	char bytes[4096];
	ssize_t got = read(fd, bytes, sizeof(bytes));

	assert_false(events & EV_TIMEOUT);
	if (got <= 0) {
		client->closed = true;
		event_base_loopbreak(client->base);
		return;
	}
	client->text = realloc(client->text, client->length + (size_t)got + 1);
	memcpy(client->text + client->length, bytes, (size_t)got);
	client->length += (size_t)got;
	client->text[client->length] = '\0';
}

static int client_connect(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	strcpy(address.sun_path, path);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

/* Sends the bytes and runs the loop until the server closes; the whole answer, to be freed. */
static char *exchange(struct fixture *fixture, const void *bytes, size_t length)
{
	const struct timeval deadline = {.tv_sec = DEADLINE};
	struct client client = {.base = fixture->base, .fd = client_connect(fixture->path)};
	struct event *event = event_new(fixture->base, client.fd, EV_READ | EV_PERSIST, client_read, &client);

	event_add(event, &deadline);
	assert_int_equal(send(client.fd, bytes, length, MSG_NOSIGNAL), length);
	event_base_dispatch(fixture->base);
	assert_true(client.closed);
	event_free(event);
	close(client.fd);
	return client.text ? client.text : memory_format("%s", "");
}

/* The answer to one request; *status is the HTTP status. */
static char *ask(struct fixture *fixture, const char *method, const char *path, int *status)
{
	char *request = memory_format(
		"%s %s HTTP/1.1\r\nHost: sluice\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", method, path);
	char *text = exchange(fixture, request, strlen(request));

	free(request);
	*status = 0;
	assert_int_equal(sscanf(text, "HTTP/1.1 %d", status), 1);
	return text;
}

static json_t *ask_json(struct fixture *fixture, const char *method, const char *path, int expected)
{
	int status;
	char *text = ask(fixture, method, path, &status);
	const char *body = strstr(text, "\r\n\r\n");
	json_t *json;

	assert_int_equal(status, expected);
	assert_non_null(strstr(text, "Content-Type: application/json\r\n"));
	json = json_loads(body, JSON_DECODE_ANY, NULL);
	assert_non_null(json);
	free(text);
	return json;
}

static void expect_json(struct fixture *fixture, const char *path, const char *expected)
{
	json_t *json = ask_json(fixture, "GET", path, 200);
	char *text = json_dumps(json, JSON_COMPACT);

	assert_string_equal(text, expected);
	free(text);
	json_decref(json);
}

static void socket_is_for_owner_and_group(void **state)
{
	struct fixture *fixture = *state;
	struct stat found;

	assert_int_equal(stat(fixture->path, &found), 0);
	assert_int_equal(found.st_mode, S_IFSOCK | 0660);
}

static void closing_removes_only_the_own_socket(void **state)
{
	struct fixture *fixture = *state;
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	unlink(fixture->path);
	strcpy(address.sun_path, fixture->path);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	control_close(fixture->control);
	fixture->control = NULL;
	assert_int_equal(access(fixture->path, F_OK), 0);

	/* nobody listens there, so the next agent takes the path over */
	assert_int_equal(control_open(&fixture->control, fixture->base, fixture->path, NULL, &actions, fixture), 0);
	control_close(fixture->control);
	fixture->control = NULL;
	assert_int_equal(access(fixture->path, F_OK), -1);
	close(fd);
}

static void a_live_agent_keeps_its_socket(void **state)
{
	struct fixture *fixture = *state;
	struct control *second = NULL;
	json_t *json;

	assert_int_equal(control_open(&second, fixture->base, fixture->path, NULL, &actions, fixture), -EADDRINUSE);
	json = ask_json(fixture, "GET", "/v1/status", 200);
	json_decref(json);
}

static void other_files_and_bad_groups_are_refused(void **state)
{
	struct fixture *fixture = *state;
	struct control *second = NULL;
	char path[64], text[200];

	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(control_open(&second, fixture->base, text, NULL, &actions, fixture), -ENAMETOOLONG);
	snprintf(path, sizeof(path), "%s/run/other", fixture->folder);
	fclose(fopen(path, "w"));
	assert_int_equal(control_open(&second, fixture->base, path, NULL, &actions, fixture), -EEXIST);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(control_open(&second, fixture->base, path, "no-such-group", &actions, fixture), -ENOENT);
	assert_int_equal(access(path, F_OK), -1);
}

static void reports_tell_state_and_counters(void **state)
{
	struct fixture *fixture = *state;
	json_t *status = ask_json(fixture, "GET", "/v1/status", 200);
	const char *loaded = NULL, *file = NULL;
	int packets = 0, unresolved = 0, backends = 0;

	assert_int_equal(json_unpack(status, "{s:{s:s, s:s}, s:i, s:i, s:i}", "config", "loaded_at", &loaded, "file",
				     &file, "packets", &packets, "backends_unresolved", &unresolved, "backends",
				     &backends),
			 0);
	assert_string_equal(loaded, "2026-01-01T00:00:00Z");
	assert_string_equal(file, "/etc/\"odd\".yaml");
	assert_int_equal(packets, 100);
	assert_int_equal(unresolved, 1);
	assert_int_equal(backends, 2);
	json_decref(status);

	expect_json(fixture, "/v1/services",
		    "[{\"name\":\"www\",\"addresses\":[\"192.0.2.10\"],\"ports\":[\"443/tcp\"],\"pool\":\"web\","
		    "\"hash\":\"flow\",\"packets\":9007199254740993,\"bytes\":5}]");
	expect_json(fixture, "/v1/pools",
		    "[{\"name\":\"web\",\"forward\":\"ipip\",\"table_size\":7,\"first_slot\":0,\"backends\":2,"
		    "\"resolved\":1,\"services\":[\"www\"],\"packets\":100,\"bytes\":10000}]");
	expect_json(fixture, "/v1/backends",
		    "[{\"pool\":\"web\",\"name\":\"web1\",\"index\":1,\"address\":\"10.0.0.11\",\"weight\":300,"
		    "\"state\":\"up\",\"share\":0.75,\"resolved\":true,\"why\":null,\"interface\":\"eth0\","
		    "\"next_hop\":\"10.0.0.11\",\"mac\":\"02:00:00:00:00:b1\",\"mtu\":1500,\"slots\":5,"
		    "\"packets\":100,\"bytes\":10000},"
		    "{\"pool\":\"web\",\"name\":\"web2\",\"index\":2,\"address\":\"10.0.0.12\",\"weight\":100,"
		    "\"state\":\"up\",\"share\":0.25,\"resolved\":false,\"why\":\"no route to 10.0.0.12\","
		    "\"interface\":null,\"next_hop\":null,\"mac\":null,\"mtu\":null,\"slots\":0,\"packets\":0,"
		    "\"bytes\":0}]");
	expect_json(fixture, "/v1/neighbours",
		    "[{\"address\":\"10.0.0.11\",\"interface\":\"eth0\",\"mac\":\"02:00:00:00:00:b1\",\"known\":true,"
		    "\"state\":\"stale\",\"backends\":1}]");
	expect_json(fixture, "/v1/bpf", "{\"program\":{\"id\":7}}");
}

static void a_next_hop_without_header_is_no_way(void **state)
{
	struct fixture *fixture = *state;
	json_t *backends;
	const char *why = NULL;

	fixture->plan.backends[1].encap = ENCAP_NONE;
	fixture->route.source.family = 0;
	backends = ask_json(fixture, "GET", "/v1/backends", 200);
	assert_int_equal(json_unpack(backends, "[{s:s}]", "why", &why), 0);
	assert_string_equal(why, "no IPv4 source address on eth0");
	json_decref(backends);
}

static void unreadable_counters_are_not_zero(void **state)
{
	struct fixture *fixture = *state;
	json_t *pools;
	int status;
	char *text;

	counters_broken = true;
	pools = ask_json(fixture, "GET", "/v1/pools", 200);
	assert_true(json_is_null(json_object_get(json_array_get(pools, 0), "packets")));
	json_decref(pools);
	text = ask(fixture, "GET", "/metrics", &status);
	assert_int_equal(status, 200);
	assert_null(strstr(text, "\nsluice_packets_total{"));
	assert_non_null(strstr(text, "\nsluice_backend_resolved{"));
	free(text);
}

static void drops_list_every_reason_but_go_on(void **state)
{
	struct fixture *fixture = *state;
	json_t *drops = ask_json(fixture, "GET", "/v1/drops", 200);
	const char *reason = NULL, *action = NULL;

	assert_int_equal(json_array_size(drops), REASON_COUNT - 1);
	assert_int_equal(json_unpack(json_array_get(drops, 0), "{s:s, s:s}", "reason", &reason, "action", &action), 0);
	assert_string_equal(reason, "forwarded");
	assert_string_equal(action, "tx");
	json_decref(drops);
}

static void metrics_are_well_formed(void **state)
{
	struct fixture *fixture = *state;
	char *text;
	int status;

	fixture->service.name = "a\"b\\c\nd"; /* the parser takes no such name; the format must hold anyway */
	assert_int_equal(ids_assign(fixture->state.ids, &fixture->config), 0);
	text = ask(fixture, "GET", "/metrics", &status);
	assert_int_equal(status, 200);
	assert_non_null(strstr(text, "Content-Type: text/plain; version=0.0.4"));
	assert_non_null(strstr(text, "\n# TYPE sluice_packets_total counter\n"));
	assert_non_null(strstr(text, "\nsluice_packets_total{reason=\"redirected\",action=\"redirect\"} 30\n"));
	assert_non_null(strstr(text, "\nsluice_service_packets_total{service=\"a\\\"b\\\\c\\nd\"} "));
	assert_non_null(strstr(text, "\nsluice_backend_bytes_total{pool=\"web\",backend=\"web1\"} 10000\n"));
	assert_non_null(strstr(text, "\nsluice_backend_resolved{pool=\"web\",backend=\"web2\"} 0\n"));
	free(text);
}

static void actions_reach_the_agent(void **state)
{
	struct fixture *fixture = *state;
	json_t *json = ask_json(fixture, "POST", "/v1/reload", 422);

	assert_string_equal(json_string_value(json_object_get(json, "error")), "sluice.yaml:1:1: error: \"wrong\"");
	assert_int_equal(fixture->reloads, 1);
	json_decref(json);
	expect_json(fixture, "/v1/diff", "{\"changes\":[]}");
	json = ask_json(fixture, "POST", "/v1/detach", 200);
	json_decref(json);
	fixture->report.dataplane = NULL;
	json = ask_json(fixture, "GET", "/v1/status", 200);
	json_decref(json);
	expect_json(fixture, "/v1/bpf", "{}");
}

static void wrong_paths_and_methods_are_told(void **state)
{
	struct fixture *fixture = *state;
	int status;
	char *text;
	json_t *json = ask_json(fixture, "GET", "/v1/nothing", 404);

	assert_non_null(json_object_get(json, "error"));
	json_decref(json);
	json = ask_json(fixture, "GET", "/", 200);
	assert_true(json_array_size(json_object_get(json, "requests")) > 10);
	json_decref(json);
	/* a wish must never be granted to somebody who only looked */
	text = ask(fixture, "GET", "/v1/reload", &status);
	assert_int_equal(status, 405);
	assert_non_null(strstr(text, "Allow: POST\r\n"));
	free(text);
	text = ask(fixture, "DELETE", "/v1/status", &status);
	assert_int_equal(status, 405);
	assert_non_null(strstr(text, "Allow: GET\r\n"));
	free(text);
	assert_int_equal(fixture->reloads, 0);
}

static void large_bodies_and_headers_are_refused(void **state)
{
	static char bytes[200 * 1024];
	struct fixture *fixture = *state;
	int status = 0;
	char *text;

	memset(bytes, 'x', sizeof(bytes));
	text = memory_format("POST /v1/reload HTTP/1.1\r\nHost: s\r\nContent-Length: 1000000\r\n\r\n");
	memcpy(bytes, text, strlen(text));
	free(text);
	text = exchange(fixture, bytes, 1024);
	assert_int_equal(sscanf(text, "HTTP/1.1 %d", &status), 1);
	assert_int_equal(status, 413);
	free(text);
	memcpy(bytes, "GET / HTTP/1.1\r\nA: ", 19);
	text = exchange(fixture, bytes, 100 * 1024);
	assert_null(strstr(text, " 200 "));
	free(text);
	assert_int_equal(fixture->reloads, 0);
}

/* Whatever bytes come, the answer is an error or a closed connection, and the next client is served. */
static void garbage_hurts_nobody(void **state)
{
	static const char *const garbage[] = {
		"\r\n\r\n",
		"GET\r\n\r\n",
		"GET  HTTP/1.1\r\n\r\n",
		"\x16\x03\x01\x02\x00\x01\xfc\r\n\r\n",
		"GET http://[ HTTP/1.1\r\nConnection: close\r\n\r\n",
		"GET /%00 HTTP/9.9\r\nConnection: close\r\n\r\n",
		"POST /v1/reload HTTP/1.1\r\nContent-Length: -1\r\nConnection: close\r\n\r\n",
		"GET //v1/status HTTP/1.1\r\n: \r\n\r\n",
		"GET * HTTP/1.1\r\nConnection: close\r\n\r\n",
		"OPTIONS * HTTP/1.1\r\nConnection: close\r\n\r\n",
		"POST /v1/reload HTTP/1.1\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\nzz\r\n",
	};
	struct fixture *fixture = *state;
	json_t *json;

	for (size_t i = 0; i < sizeof(garbage) / sizeof(garbage[0]); i++) {
		char *text = exchange(fixture, garbage[i], strlen(garbage[i]));

		assert_null(strstr(text, " 200 "));
		free(text);
	}
	/* one that hangs up in the middle, and one that stays silent */
	close(client_connect(fixture->path));

	int silent = client_connect(fixture->path);

	json = ask_json(fixture, "GET", "/v1/status", 200);
	json_decref(json);
	close(silent);
}

/* With no descriptors left accepting pauses, and goes on by itself. */
static void failed_accepts_pause(void **state)
{
	struct fixture *fixture = *state;
	const struct timeval deadline = {.tv_sec = DEADLINE};
	struct client client = {.base = fixture->base, .fd = client_connect(fixture->path)};
	struct event *event = event_new(fixture->base, client.fd, EV_READ | EV_PERSIST, client_read, &client);
	const char *request = "GET /v1/status HTTP/1.1\r\nConnection: close\r\n\r\n";
	struct rlimit before, few;
	int spare[64], spares = 0;

	event_add(event, &deadline);
	assert_int_equal(send(client.fd, request, strlen(request), 0), strlen(request));
	getrlimit(RLIMIT_NOFILE, &before);
	few = before;
	few.rlim_cur = 64;
	setrlimit(RLIMIT_NOFILE, &few);
	while (spares < 64 && (spare[spares] = dup(0)) >= 0)
		spares++;
	for (int turns = 0; turns < 1000; turns++)
		event_base_loop(fixture->base, EVLOOP_NONBLOCK);
	while (spares)
		close(spare[--spares]);
	setrlimit(RLIMIT_NOFILE, &before);
	assert_null(client.text);
	event_base_dispatch(fixture->base);
	assert_true(client.closed);
	assert_non_null(client.text);
	assert_non_null(strstr(client.text, " 200 "));
	event_free(event);
	close(client.fd);
	free(client.text);
}

#define SOCKET_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		SOCKET_TEST(socket_is_for_owner_and_group),
		SOCKET_TEST(closing_removes_only_the_own_socket),
		SOCKET_TEST(a_live_agent_keeps_its_socket),
		SOCKET_TEST(other_files_and_bad_groups_are_refused),
		SOCKET_TEST(reports_tell_state_and_counters),
		SOCKET_TEST(a_next_hop_without_header_is_no_way),
		SOCKET_TEST(unreadable_counters_are_not_zero),
		SOCKET_TEST(drops_list_every_reason_but_go_on),
		SOCKET_TEST(metrics_are_well_formed),
		SOCKET_TEST(actions_reach_the_agent),
		SOCKET_TEST(wrong_paths_and_methods_are_told),
		SOCKET_TEST(large_bodies_and_headers_are_refused),
		SOCKET_TEST(garbage_hurts_nobody),
		SOCKET_TEST(failed_accepts_pause),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
