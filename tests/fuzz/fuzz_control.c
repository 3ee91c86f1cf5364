/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The control socket and the agent behind it, which has no kernel: a commit always succeeds. An input is what a
 * client sends, or several one after the other with lines "%%" between them. One whose first line is only
 * "POST /v1/backend?QUERY" gets the rest of its headers, and what follows is the body. A first one that begins with
 * "{" is the deny list's file, which an earlier run left.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent/agent.h"
#include "agent/deny.h"
#include "fuzz/fuzz.h"
#include "in/config_file.h"
#include "lib/clock.h"
#include "lib/memory.h"

#define PIECE	64	  /* of the deny list */
#define CLIENTS 8	  /* more of one input are not looked at */
#define IDLE	8	  /* turns of the loop without an answer: there is none */
#define LONGEST (1 << 20) /* of an answer */

static const char config_text[] = "interfaces: [{name: eth0}]\n"
				  "hash_key: \"0f1e2d3c4b5a69788796a5b4c3d2e1f0\"\n"
				  "pools:\n"
				  "  spare: {table_size: 7, backends: [{name: s1, address: 10.0.1.1}]}\n"
				  "  web:\n"
				  "    table_size: 31\n"
				  "    fallback: spare\n"
				  "    probe: {type: tcp}\n"
				  "    backends:\n"
				  "      - {name: web1, address: 10.0.0.1}\n"
				  "      - {name: web2, address: \"2001:db8::3\", weight: 300}\n"
				  "services:\n"
				  "  www: {address: [192.0.2.1], ports: [80/tcp], pool: web}\n";

/*
 * In place of what the agent has for them: the linker takes these. What is not here is the agent's own.
 */
int agent_commit(struct agent *agent)
{
	plan_make(agent->plan, &agent->state, agent->scope);
	return 0;
}

void agent_commit_now(struct agent *agent)
{
	agent_commit(agent);
}

int agent_assign(struct agent *agent, const struct config *config)
{
	return ids_assign(agent->state.ids, config);
}

int agent_watch(struct agent *agent)
{
	(void)agent;
	return 0;
}

void agent_changed(struct agent *agent, enum plan_scope scope)
{
	(void)agent;
	(void)scope;
}

int agent_detach(struct agent *agent)
{
	agent->dataplane = NULL;
	agent->report.dataplane = NULL;
	return 0;
}

int agent_save_health(struct agent *agent)
{
	(void)agent;
	return 0;
}

int agent_save_overrides(struct agent *agent)
{
	(void)agent;
	return 0;
}

void agent_saved(struct agent *agent, const char *name, int err, bool *unsaved)
{
	(void)agent;
	(void)name;
	*unsaved = err;
	fuzz_require(!err);
}

void probing_configure(struct agent *agent, bool running)
{
	health_configure(agent->state.health, agent->state.config, running, clock_ms());
}

void probing_changed(struct agent *agent, bool tables)
{
	(void)agent;
	(void)tables;
}

void telling_configure(struct agent *agent)
{
	(void)agent;
}

void prober_pause(struct prober *prober)
{
	(void)prober;
}

void prober_hurry(struct prober *prober, const struct health_backend *backend)
{
	(void)prober;
	fuzz_require(backend);
}

int dataplane_deny(struct dataplane *dataplane, struct deny *deny)
{
	struct prefix prefixes[PIECE];
	struct deny_change change;
	size_t count = deny_due(deny, &change, prefixes, PIECE);

	(void)dataplane;
	deny_done(deny, &change, count);
	return (int)count;
}

json_t *dataplane_interfaces_json(const struct dataplane *dataplane)
{
	(void)dataplane;
	return json_array();
}

json_t *dataplane_bpf_json(const struct dataplane *dataplane)
{
	(void)dataplane;
	return json_object();
}

int dataplane_counters(struct dataplane *dataplane, enum counted what, __u32 first, __u32 count, struct counters *out)
{
	(void)dataplane;
	(void)what;
	(void)first;
	memset(out, 0, count * sizeof(*out));
	return 0;
}

int dataplane_tracked(const struct dataplane *dataplane, __u64 *out)
{
	(void)dataplane;
	memset(out, 0, SLUICE_MAX_SERVICES * sizeof(*out));
	return 0;
}

void dataplane_phases(const struct dataplane *dataplane, const char *pool, __u32 phases[static PHASE_SETTLED + 1])
{
	(void)dataplane;
	(void)pool;
	memset(phases, 0, (PHASE_SETTLED + 1) * sizeof(*phases));
}

const struct maps *dataplane_maps(const struct dataplane *dataplane)
{
	static const struct maps none;

	(void)dataplane;
	return &none;
}

struct lab {
	struct agent agent;
	char *socket, *config;
	bool detached;
};

static void ignore_timer(evutil_socket_t fd, short what, void *argument)
{
	(void)fd;
	(void)what;
	(void)argument;
}

static void add_event(void *argument, const struct event_fact *fact)
{
	struct agent *agent = argument;

	events_add(agent->events, fact);
}

static void start_state(struct agent *agent)
{
	struct state *state = &agent->state;
	char *errors;

	fuzz_require(config_file_read(agent->options.config, &state->config, &errors) == 0);
	state->ids = ids_new();
	fuzz_require(ids_assign(state->ids, state->config) == 0);
	state->health = health_new(add_event, agent, time);
	health_configure(state->health, state->config, false, clock_ms());
	state->begun = clock_ms();
}

/* Empty where the input has none, as if it were lost. */
static void write_deny_file(struct fuzz_input *input)
{
	size_t length = 0;
	char *part = input->size && *input->data == '{' ? fuzz_part(input, &length) : NULL;

	fuzz_file("deny.json", part ? part : "", length);
	free(part);
}

static void start(struct lab *lab, struct fuzz_input *input)
{
	static int thing; /* the dataplane is nothing but something that is there */
	struct agent *agent = &lab->agent;
	size_t lost;

	fuzz_file("sluice.yaml", config_text, strlen(config_text));
	write_deny_file(input);
	*lab = (struct lab){
		.socket = memory_format("%s/control", fuzz_folder()),
		.config = memory_format("%s/sluice.yaml", fuzz_folder()),
	};
	agent->options = (struct agent_options){.config = lab->config, .socket = lab->socket, .state = fuzz_folder()};
	agent->base = event_base_new();
	agent->rollback = evtimer_new(agent->base, ignore_timer, NULL);
	agent->events = events_open(agent->base, fuzz_folder(), &lost);
	agent->dataplane = (struct dataplane *)&thing;
	agent->plan = plan_new();
	start_state(agent);
	denying_open(agent);
	agent->scope = PLAN_ALL;
	agent_commit(agent);
	agent->report = (struct report){
		.state = &agent->state, .plan = agent->plan, .dataplane = agent->dataplane, .events = agent->events};
	fuzz_require(control_open(&agent->control, agent->base, lab->socket, NULL, agent_endpoints, agent) == 0);
}

static void end(struct lab *lab)
{
	struct agent *agent = &lab->agent;
	struct state *state = &agent->state;

	denying_close(agent);
	control_close(agent->control);
	event_free(agent->rollback);
	health_free(state->health);
	events_close(agent->events);
	event_base_free(agent->base);
	agent_former_free(agent);
	config_free(state->config);
	ids_free(state->ids);
	plan_free(agent->plan);
	free(agent->applied_text);
	free(state->applied);
	free(state->last_error);
	fuzz_file("events.jsonl", "", 0); /* of the next input's agent */
	free(lab->socket);
	free(lab->config);
}

static int connect_client(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	fuzz_require(fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
	return fd;
}

/* What comes until the server has nothing more to say; until the next call. */
static const char *listen_to(struct event_base *base, int fd, size_t *length)
{
	static char answer[LONGEST + 1];
	int idle = 0;

	*length = 0;
	while (idle < IDLE && *length < LONGEST) {
		ssize_t got;

		event_base_loop(base, EVLOOP_NONBLOCK);
		got = recv(fd, answer + *length, LONGEST - *length, 0);
		if (got == 0)
			break;
		idle = got < 0 ? idle + 1 : 0;
		*length += got < 0 ? 0 : (size_t)got;
	}
	answer[*length] = '\0';
	return answer;
}

/* Ours is JSON, and says what was wrong; only what libevent refuses by itself is HTML. */
static void check_json(const char *body, size_t length, int status)
{
	json_error_t error;
	json_t *json = json_loadb(body, length, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);

	fuzz_require(json);
	if (status >= 400)
		fuzz_require(json_string_length(json_object_get(json, "error")));
	json_decref(json);
}

static void check_answer(const char *answer, size_t length)
{
	const char *body = memmem(answer, length, "\r\n\r\n", 4), *size;
	int status = 0;

	if (!length)
		return;
	fuzz_require(sscanf(answer, "HTTP/%*d.%*d %d ", &status) == 1);
	fuzz_require(status >= 200 && status < 600 && status != 500);
	size = strstr(answer, "Content-Length: ");
	if (!body || !size || size > body || !strstr(answer, "Content-Type: application/json\r\n"))
		return;
	body += 4;
	if (strtoul(size + 16, NULL, 10) <= length - (size_t)(body - answer))
		check_json(body, strtoul(size + 16, NULL, 10), status);
}

static void exchange(struct lab *lab, const char *request, size_t length)
{
	int fd = connect_client(lab->socket);
	const char *answer;
	size_t got;

	send(fd, request, length, MSG_NOSIGNAL);
	answer = listen_to(lab->agent.base, fd, &got);
	check_answer(answer, got);
	close(fd);
	event_base_loop(lab->agent.base, EVLOOP_NONBLOCK);
}

/* Adds the headers that make it HTTP, if it is the short form. */
static void ask(struct lab *lab, const char *part, size_t length)
{
	size_t line = strcspn(part, "\n"), written;
	const char *body = part + line + (part[line] == '\n');
	char *request;

	if ((strncmp(part, "POST /", 6) != 0 && strncmp(part, "GET /", 5) != 0) || memmem(part, line, " HTTP/", 6)) {
		exchange(lab, part, length);
		return;
	}
	request = memory_new(length + 128, 1);
	length -= (size_t)(body - part);
	written =
		(size_t)sprintf(request, "%.*s HTTP/1.1\r\nHost: s\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n",
				(int)line, part, length);
	memcpy(request + written, body, length);
	exchange(lab, request, written + length);
	free(request);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = {data, size};
	struct lab lab;

	start(&lab, &input);
	for (int i = 0; i < CLIENTS && input.size; i++) {
		size_t length;
		char *part = fuzz_part(&input, &length);

		ask(&lab, part, length);
		free(part);
	}
	end(&lab);
	return 0;
}
