/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "in/control.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <event2/listener.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "in/control_socket.h"
#include "in/control_stream.h"
#include "lib/log.h"
#include "lib/memory.h"
#include "lib/text.h"

#define MAX_HEADERS    (16 * 1024)
#define CLIENT_TIMEOUT 10 /* seconds that a client may neither send nor take anything while we wait for it */
#define ACCEPT_PAUSE   1  /* seconds without accepting after that failed, as with no descriptors left */

#define HTTP_UNPROCESSABLE 422 /* evhttp lacks it */

static const struct timeval never = {.tv_sec = 1 << 30};

struct control {
	const struct control_endpoint *endpoints;
	void *agent;
	char *path;
	int fd; /* that listens, -1: none */
	struct stat made;
	struct evhttp *http;
	struct evconnlistener *listener;
	struct event *resume;
	const struct timeval *idle; /* CLIENT_TIMEOUT */
	struct streams streams;
};

/* The one endpoint that needs no agent. */
static const struct control_endpoint root = {.method = "GET", .path = "/", .help = "this list"};

/* Empty for a method that no endpoint has. */
static const char *method_name(enum evhttp_cmd_type method)
{
	switch (method) {
	case EVHTTP_REQ_GET:
		return "GET";
	case EVHTTP_REQ_POST:
		return "POST";
	default:
		return "";
	}
}

static json_t *list_entry(const struct control_endpoint *endpoint)
{
	return json_pack("{s:s, s:s, s:s}", "method", endpoint->method, "path", endpoint->path, "help", endpoint->help);
}

static json_t *list_endpoints(const struct control *control)
{
	json_t *list = json_array();

	json_array_append_new(list, list_entry(&root));
	for (const struct control_endpoint *endpoint = control->endpoints; endpoint->path; endpoint++)
		json_array_append_new(list, list_entry(endpoint));
	return json_pack("{s:s, s:o}", "version", SLUICE_VERSION, "requests", list);
}

static void free_text(const void *data, size_t length, void *argument)
{
	(void)length;
	(void)argument;
	free((void *)data);
}

static struct bufferevent *transport_of(struct evhttp_request *request)
{
	return evhttp_connection_get_bufferevent(evhttp_request_get_connection(request));
}

/* Sends the text and frees it; without memory for it, an empty error. */
static void send_text(struct evhttp_request *request, int status, const char *type, char *text)
{
	struct evbuffer *body = text ? evbuffer_new() : NULL;

	if (!body || evbuffer_add_reference(body, text, strlen(text), free_text, NULL)) {
		free(text);
		evhttp_send_reply(request, HTTP_INTERNAL, NULL, NULL);
	} else {
		evhttp_add_header(evhttp_request_get_output_headers(request), "Content-Type", type);
		evhttp_send_reply(request, status, status == HTTP_UNPROCESSABLE ? "Unprocessable Content" : NULL, body);
	}
	if (body)
		evbuffer_free(body);
}

/* Sends the JSON and drops the reference. */
static void send_json(struct evhttp_request *request, int status, json_t *json)
{
	char *compact = json_dumps(json, JSON_COMPACT);
	char *line = compact ? memory_format("%s\n", compact) : NULL;

	free(compact);
	json_decref(json);
	send_text(request, status, "application/json", line);
}

static void send_failure(struct evhttp_request *request, int status, char *message)
{
	send_json(request, status, json_pack("{s:s}", "error", message));
	free(message);
}

/* Of the process that connected; EVENT_NOBODY's value if the kernel does not say it. */
static uid_t client_uid(struct evhttp_request *request)
{
	struct ucred peer = {.uid = (uid_t)-1};
	socklen_t size = sizeof(peer);

	getsockopt(bufferevent_getfd(transport_of(request)), SOL_SOCKET, SO_PEERCRED, &peer, &size);
	return peer.uid;
}

static bool is_utf8(const char *text)
{
	size_t left = strlen(text), length;

	for (; left; left -= length, text += length) {
		length = text_utf8_length(text, left);
		if (!length)
			return false;
	}
	return true;
}

/* False if the query cannot be read. Otherwise it is to be freed with evhttp_clear_headers(). */
static bool parse_query(struct evhttp_request *request, struct evkeyvalq *query)
{
	const char *text = evhttp_uri_get_query(evhttp_request_get_evhttp_uri(request));
	const struct evkeyval *parameter;

	if (evhttp_parse_query_str(text ? text : "", query))
		return false;
	for (parameter = query->tqh_first; parameter; parameter = parameter->next.tqe_next) {
		if (!is_utf8(parameter->value)) {
			evhttp_clear_headers(query);
			return false;
		}
	}
	return true;
}

static bool has_parameter(const struct control_endpoint *endpoint, const char *name)
{
	for (size_t i = 0; i < sizeof(endpoint->parameters) / sizeof(endpoint->parameters[0]); i++)
		if (endpoint->parameters[i] && strcmp(endpoint->parameters[i], name) == 0)
			return true;
	return false;
}

/* What is wrong with the query for this endpoint, to be freed; NULL if nothing is. */
static char *judge_query(const struct control_endpoint *endpoint, const struct evkeyvalq *query)
{
	const struct evkeyval *parameter;
	char name[40];

	for (parameter = query->tqh_first; parameter; parameter = parameter->next.tqe_next) {
		if (has_parameter(endpoint, parameter->key))
			continue;
		text_clean(name, sizeof(name), parameter->key, strlen(parameter->key));
		return memory_format("%s has no parameter '%s': GET / lists what it has", endpoint->path, name);
	}
	return NULL;
}

const char *control_query(const struct control_request *request, const char *name)
{
	return evhttp_find_header(request->query, name);
}

static void answer_stream(struct control *control, const struct control_endpoint *endpoint,
			  const struct control_request *asked, struct evhttp_request *request)
{
	json_t *first;

	if (control->streams.count == STREAMS_MAX) {
		send_failure(request, HTTP_SERVUNAVAIL,
			     memory_format("%d clients listen already: end one of them", STREAMS_MAX));
		return;
	}
	first = endpoint->stream(control->agent, asked);
	if (json_is_array(first))
		stream_begin(&control->streams, request, endpoint->path, first);
	else if (first)
		send_json(request, HTTP_BADREQUEST, json_incref(first));
	else
		send_failure(request, HTTP_INTERNAL, memory_format("no answer could be made"));
	json_decref(first);
}

struct control_later {
	struct evhttp_request *request; /* NULL: it has gone with its connection */
};

static void later_closed(struct evhttp_connection *connection, void *argument)
{
	struct control_later *reply = argument;

	(void)connection;
	if (!evhttp_request_get_connection(reply->request)) /* let go of before: ours to free */
		evhttp_request_free(reply->request);
	reply->request = NULL;
}

static void answer_later(struct control *control, const struct control_endpoint *endpoint,
			 const struct control_request *asked, struct evhttp_request *request)
{
	struct control_later *reply = memory_new(1, sizeof(*reply));

	reply->request = request;
	evhttp_connection_set_closecb(evhttp_request_get_connection(request), later_closed, reply);
	endpoint->later(control->agent, asked, reply);
}

void control_answer(struct control_later *reply, int status, json_t *json)
{
	if (reply->request) {
		evhttp_connection_set_closecb(evhttp_request_get_connection(reply->request), NULL, NULL);
		send_json(reply->request, status, json);
	} else {
		json_decref(json);
	}
	free(reply);
}

static void answer_json(struct control *control, const struct control_endpoint *endpoint,
			const struct control_request *asked, struct evhttp_request *request)
{
	json_t *reply = NULL;
	int status = HTTP_OK;

	if (endpoint == &root)
		reply = list_endpoints(control);
	else
		status = endpoint->answer(control->agent, asked, &reply);
	if (reply)
		send_json(request, status, reply);
	else
		send_failure(request, HTTP_INTERNAL, memory_format("no answer could be made"));
}

static void answer(struct control *control, const struct control_endpoint *endpoint, struct evhttp_request *request)
{
	struct evbuffer *body = evhttp_request_get_input_buffer(request);
	struct control_request asked = {.length = evbuffer_get_length(body), .uid = client_uid(request)};
	struct evkeyvalq query;
	char *wrong;

	if (evbuffer_add(body, "", 1) || !(asked.body = (const char *)evbuffer_pullup(body, -1))) {
		send_failure(request, HTTP_INTERNAL, memory_format("no memory for the request"));
		return;
	}
	if (!parse_query(request, &query)) {
		send_failure(request, HTTP_BADREQUEST,
			     memory_format("the query cannot be read: it is NAME=VALUE, joined by &, in UTF-8"));
		return;
	}
	asked.query = &query;
	wrong = judge_query(endpoint, &query);
	if (wrong)
		send_failure(request, HTTP_BADREQUEST, wrong);
	else if (endpoint->json)
		send_text(request, HTTP_OK, "application/json", endpoint->json(control->agent));
	else if (endpoint->text)
		send_text(request, HTTP_OK, "text/plain; version=0.0.4; charset=utf-8", endpoint->text(control->agent));
	else if (endpoint->stream)
		answer_stream(control, endpoint, &asked, request);
	else if (endpoint->later)
		answer_later(control, endpoint, &asked, request);
	else
		answer_json(control, endpoint, &asked, request);
	evhttp_clear_headers(&query);
}

/* The endpoint with path and method; else one with the path alone, whose method can be told; else NULL. */
static const struct control_endpoint *find_endpoint(const struct control *control, const char *path, const char *method)
{
	const struct control_endpoint *other = NULL;

	if (strcmp(path, root.path) == 0)
		return &root;
	for (const struct control_endpoint *endpoint = control->endpoints; endpoint->path; endpoint++) {
		if (strcmp(path, endpoint->path) != 0)
			continue;
		if (strcmp(method, endpoint->method) == 0)
			return endpoint;
		other = endpoint;
	}
	return other;
}

static void await_next(struct evhttp_request *request, void *argument)
{
	const struct control *control = argument;

	bufferevent_set_timeouts(transport_of(request), control->idle, control->idle);
}

/* However long the answer takes, and a slow client to read it: it has nothing to send before it has all of it. */
static void await_answer(struct control *control, struct evhttp_request *request)
{
	bufferevent_set_timeouts(transport_of(request), NULL, control->idle);
	evhttp_request_set_on_complete_cb(request, await_next, control);
}

static void handle_request(struct evhttp_request *request, void *argument)
{
	const char *path = evhttp_uri_get_path(evhttp_request_get_evhttp_uri(request));
	const char *method = method_name(evhttp_request_get_command(request));
	struct control *control = argument;
	const struct control_endpoint *endpoint = path ? find_endpoint(control, path, method) : NULL;

	await_answer(control, request);
	if (!endpoint) {
		send_failure(request, HTTP_NOTFOUND, memory_format("there is no such path: GET / lists them all"));
	} else if (strcmp(method, endpoint->method) != 0) {
		evhttp_add_header(evhttp_request_get_output_headers(request), "Allow", endpoint->method);
		send_failure(request, HTTP_BADMETHOD, memory_format("%s takes %s", endpoint->path, endpoint->method));
	} else {
		answer(control, endpoint, request);
	}
}

static void accept_resumed(evutil_socket_t fd, short events, void *argument)
{
	struct control *control = argument;

	(void)fd;
	(void)events;
	event_add(control->resume, &never);
	evconnlistener_enable(control->listener);
}

struct search {
	const struct evconnlistener *listener;
	struct control *found;
};

static int match_control(const struct event_base *base, const struct event *event, void *argument)
{
	struct search *search = argument;
	struct control *control = event_get_callback_arg(event);

	(void)base;
	if (event_get_callback(event) != accept_resumed || control->listener != search->listener)
		return 0;
	search->found = control;
	return 1;
}

/*
 * A failed accept leaves the client waiting and the listener readable: without a
 * pause the loop would spin. evhttp has put its own argument into the listener,
 * so the control is found through its timer, which is therefore always pending.
 */
static void accept_failed(struct evconnlistener *listener, void *evhttp)
{
	const struct timeval pause = {.tv_sec = ACCEPT_PAUSE};
	struct search search = {.listener = listener};
	int error = errno;

	(void)evhttp;
	event_base_foreach_event(evconnlistener_get_base(listener), match_control, &search);
	if (!search.found)
		return;
	log_warning("control socket %s: cannot accept: %s: trying again in %d s", search.found->path, strerror(error),
		    ACCEPT_PAUSE);
	evconnlistener_disable(listener);
	event_add(search.found->resume, &pause);
}

/*
 * Every method reaches handle_request(), which says what is allowed instead.
 *
 * Clients have a common timeout. After long work of ours, timers that are over come before whatever clients have sent
 * meanwhile, and would end their connections; a common one comes after it.
 */
static int serve(struct control *control, struct event_base *base, int fd)
{
	const struct timeval idle = {.tv_sec = CLIENT_TIMEOUT};

	control->idle = event_base_init_common_timeout(base, &idle);
	control->http = evhttp_new(base);
	control->resume = evtimer_new(base, accept_resumed, control);
	if (!control->idle || !control->http || !control->resume || event_add(control->resume, &never))
		return -ENOMEM;
	evhttp_set_max_headers_size(control->http, MAX_HEADERS);
	evhttp_set_max_body_size(control->http, CONTROL_MAX_BODY);
	evhttp_set_timeout_tv(control->http, control->idle);
	evhttp_set_allowed_methods(control->http, (ev_uint16_t)~0U);
	evhttp_set_gencb(control->http, handle_request, control);

	control->listener = evconnlistener_new(base, NULL, NULL, LEV_OPT_CLOSE_ON_EXEC, 0, fd);
	if (!control->listener)
		return -ENOMEM;
	/* evhttp owns the listener from here on; it does not touch the error callback */
	if (!evhttp_bind_listener(control->http, control->listener)) {
		evconnlistener_free(control->listener);
		control->listener = NULL;
		return -ENOMEM;
	}
	evconnlistener_set_error_cb(control->listener, accept_failed);
	return 0;
}

int control_open(struct control **out, struct event_base *base, const char *path, const char *group,
		 const struct control_endpoint *endpoints, void *agent)
{
	struct control *control = memory_new(1, sizeof(*control));
	int error;

	control->fd = -1;
	control->endpoints = endpoints;
	control->agent = agent;
	control->path = memory_format("%s", path);
	error = control_socket_listen(path, group, &control->made);
	if (error >= 0) {
		control->fd = error;
		error = serve(control, base, control->fd);
		if (error)
			log_error("control socket %s: cannot serve it: %s", path, strerror(-error));
	}
	if (error) {
		control_close(control);
		return error;
	}
	*out = control;
	return 0;
}

void control_stream(struct control *control, const char *path, const json_t *object)
{
	if (control)
		streams_send(&control->streams, path, object);
}

void control_close(struct control *control)
{
	if (!control)
		return;
	if (control->http)
		evhttp_free(control->http); /* with the listener, every client and every stream */
	if (control->resume)
		event_free(control->resume);
	if (control->fd >= 0)
		control_socket_close(control->fd, control->path, &control->made);
	free(control->path);
	free(control);
}
