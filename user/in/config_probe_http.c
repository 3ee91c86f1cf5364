/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The values of those keys of a probe that http and https have. */
#include <ctype.h>
#include <limits.h>
#include <regex.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "in/config_probe.h"
#include "in/config_read.h"

#define MAX_PATH     1023
#define MAX_METHOD   32
#define MAX_HOST     259 /* with a port */
#define MAX_HEADERS  32
#define MAX_HEADER   1024 /* name and value */
#define MAX_STATUSES 32
#define MAX_BODY     4096
#define MAX_REGEX    255
#define MAX_WEIGHT   300 /* of a regular expression */
#define LETTERS	     "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS	     "0123456789"

/* RFC 9110's, of methods and names of headers. */
static bool is_token(const char *text)
{
	return *text && !text[strspn(text, LETTERS DIGITS "!#$%&'*+-.^_`|~")];
}

bool probe_read_method(struct reading *reading, const struct node *node, struct config_probe *probe)
{
	struct source *source = reading->source;
	const char *text;

	if (!value_text(source, node, "an HTTP method such as GET or HEAD", &text))
		return false;
	if (!is_token(text) || strlen(text) > MAX_METHOD || strcmp(text, "CONNECT") == 0) {
		source_error(source, node->offset, "'%.64s' is no HTTP method that can be probed with: GET or HEAD is",
			     text);
		return false;
	}

	char *method = arena_strdup(reading->config->arena, text);

	for (char *c = method; *c; c++)
		*c = (char)toupper((unsigned char)*c);
	if (strcmp(method, text) != 0) {
		source_error(source, node->offset, "HTTP methods are written in capitals: %s", method);
		return false;
	}
	probe->method = method;
	return true;
}

bool probe_read_path(struct reading *reading, const struct node *node, struct config_probe *probe)
{
	const char *path;

	if (!value_text(reading->source, node, "a path such as /healthz", &path))
		return false;
	if (path[0] != '/') {
		source_error(reading->source, node->offset, "the path '%.64s' does not start with '/'", path);
		return false;
	}
	for (const char *c = path; *c; c++) {
		if (*c <= ' ' || *c > '~') {
			source_error(reading->source, node->offset,
				     "the path '%.64s' has a character that needs %%-encoding", path);
			return false;
		}
	}
	if (strlen(path) > MAX_PATH) {
		source_error(reading->source, node->offset, "a path of %zu characters: at most %d are allowed",
			     strlen(path), MAX_PATH);
		return false;
	}
	probe->path = arena_strdup(reading->config->arena, path);
	return true;
}

static bool is_port(const char *text)
{
	__u32 port;

	return value_parse_number(text, strlen(text), 65535, &port) && port > 0;
}

/* A name or an address, with or without a port: what can stand in a URL, too. */
static bool is_host(const char *text)
{
	char host[MAX_HOST + 1];
	struct address address;
	const char *port;

	if (address_parse(text, &address) == 0)
		return true;
	if (strlen(text) > MAX_HOST)
		return false;
	port = text[0] == '[' ? strchr(text, ']') : strchr(text, ':');
	snprintf(host, sizeof(host), "%.*s", port ? (int)(port - text) : MAX_HOST, text);
	if (text[0] == '[')
		return port && address_parse(host + 1, &address) == 0 && address.family == AF_INET6 &&
		       (!port[1] || (port[1] == ':' && is_port(port + 2)));
	return probe_is_dns_name(host) && (!port || is_port(port + 1));
}

bool probe_read_host(struct reading *reading, const struct node *node, struct config_probe *probe)
{
	const char *text;

	if (!value_text(reading->source, node, "the value of a Host header, such as www.example.com", &text))
		return false;
	if (!is_host(text)) {
		source_error(reading->source, node->offset,
			     "'%.64s' is no Host header: a name in ASCII or an address, and maybe a port", text);
		return false;
	}
	probe->host = arena_strdup(reading->config->arena, text);
	return true;
}

static bool read_header(struct reading *reading, const struct node *key, const char **out)
{
	struct source *source = reading->source;
	const char *value;
	size_t length;
	char *header;

	if (!is_token(key->text)) {
		source_error(source, key->offset, "'%.64s' is no name of a header", key->text);
		return false;
	}
	if (strcasecmp(key->text, "Host") == 0) {
		source_error(source, key->offset, "the probe's own key 'host' sets this header");
		return false;
	}
	if (key->value->kind == NODE_BYTES) {
		source_error(source, key->value->offset, "a header with a line end or control character in it");
		return false;
	}
	if (!value_text(source, key->value, "the value of a header", &value))
		return false;
	length = strlen(key->text) + strlen(": ") + strlen(value);
	if (!*value || length > MAX_HEADER) {
		source_error(source, key->value->offset, "a header of %zu bytes: %s", length,
			     *value ? "at most 1024 are allowed" : "its value is empty");
		return false;
	}
	header = arena_alloc(reading->config->arena, length + 1);
	snprintf(header, length + 1, "%s: %s", key->text, value);
	*out = header;
	return true;
}

bool probe_read_headers(struct reading *reading, const struct node *node, struct config_probe *probe)
{
	size_t count = 0, good = 0;

	if (!value_is_map(reading->source, node, "a map of headers such as {Accept: text/plain}"))
		return false;
	probe->headers = arena_array(reading->config->arena, MAX_HEADERS + 1, sizeof(*probe->headers));
	for (const struct node *key = node->first; key; key = key->next, count++) {
		if (count == MAX_HEADERS) {
			source_error(reading->source, key->offset, "more than %d headers", MAX_HEADERS);
			return false;
		}
		good += read_header(reading, key, &probe->headers[count]);
	}
	probe->header_count = count;
	return good == count;
}

static bool read_range(struct reading *reading, const struct node *node, struct config_range *out)
{
	static const char expected[] = "an HTTP status from 100 to 599 or a range of them, such as 200-299";
	const char *text, *dash;
	__u32 low, high;

	if (!value_text(reading->source, node, expected, &text))
		return false;
	dash = strchr(text, '-');
	if (!value_parse_number(text, dash ? (size_t)(dash - text) : strlen(text), 599, &low) || low < 100 ||
	    !value_parse_number(dash ? dash + 1 : text, strlen(dash ? dash + 1 : text), 599, &high) || high < 100) {
		value_unexpected(reading->source, node, expected);
		return false;
	}
	if (high < low) {
		source_error(reading->source, node->offset, "the range '%s' is backwards: write %u-%u", text, high,
			     low);
		return false;
	}
	*out = (struct config_range){.low = (__u16)low, .high = (__u16)high};
	return true;
}

bool probe_read_status(struct reading *reading, const struct node *node, struct config_probe *probe)
{
	const struct node *first = node->kind == NODE_LIST ? node->first : node;
	size_t count = 0, good = 0;

	if (!first) {
		source_error(reading->source, node->offset, "the list is empty: expected statuses such as 200-299");
		return false;
	}
	probe->status = arena_array(reading->config->arena, MAX_STATUSES, sizeof(*probe->status));
	for (const struct node *child = first; child; child = node->kind == NODE_LIST ? child->next : NULL, count++) {
		if (count == MAX_STATUSES) {
			source_error(reading->source, child->offset, "more than %d ranges of statuses", MAX_STATUSES);
			return false;
		}
		good += read_range(reading, child, &probe->status[count]);
	}
	probe->status_count = count;
	return good == count;
}

bool probe_read_body(struct reading *reading, const struct node *node, struct config_probe *probe)
{
	const char *text;

	if (!value_bytes(reading->source, node, MAX_BODY, "a text that the body contains", &text))
		return false;
	probe->expect.length = strlen(text);
	probe->expect.data = arena_strdup(reading->config->arena, text);
	return true;
}

/* After "[", to the "]" that ends the bracket expression, or to the end. */
static const char *skip_bracket(const char *at)
{
	at += *at == '^';
	at += *at == ']';
	while (*at && *at != ']')
		at += at[0] == '[' && at[1] && strchr(":.=", at[1]) && strchr(at + 2, ']')
			      ? (size_t)(strchr(at + 2, ']') + 1 - at)
			      : 1;
	return at + (*at == ']');
}

/* What the C library's compiler does not tell of a regular expression. */
struct regex_shape {
	unsigned int weight; /* more than MAX_WEIGHT where that is passed: it is not read on then */
	bool unopened;	     /* a ')' without its '(' */
	bool back_reference; /* \1 to \9 */
};

/* After '{', to what follows '}'; the largest number in between, at least 1. */
static const char *read_bound(const char *at, unsigned int *most)
{
	unsigned int bound = 0;

	for (*most = 1; *at && *at != '}'; at++) {
		bound = *at >= '0' && *at <= '9' ? bound * 10 + (unsigned int)(*at - '0') : 0;
		bound = bound > MAX_WEIGHT ? MAX_WEIGHT + 1 : bound;
		*most = bound > *most ? bound : *most;
	}
	return at + (*at == '}');
}

/*
 * The weight is how large the expression gets once its repetitions, of which the C library makes
 * copies, are written out: nested ones would take it gigabytes and minutes.
 */
static struct regex_shape regex_shape(const char *at)
{
	struct regex_shape shape = {0};
	unsigned int open[MAX_REGEX + 1], last = 0, most; /* weight before each group, and of what is repeated next */
	size_t depth = 0;

	while (*at && shape.weight <= MAX_WEIGHT) {
		const char c = *at++;

		if (c == '(') {
			open[depth++] = shape.weight++;
			last = 0;
		} else if (c == ')' && depth) {
			last = shape.weight - open[--depth];
		} else if (c == '{') {
			at = read_bound(at, &most);
			shape.weight += last * (most - 1);
			last *= most;
		} else if (strchr("*+?|^$", c)) {
			shape.weight++;
			last++;
		} else {
			shape.unopened |= c == ')';
			shape.back_reference |= c == '\\' && *at >= '1' && *at <= '9';
			at = c == '[' ? skip_bracket(at) : at + (c == '\\' && *at);
			shape.weight++;
			last = 1;
		}
	}
	return shape;
}

bool probe_read_body_regex(struct reading *reading, const struct node *node, struct config_probe *probe)
{
	struct source *source = reading->source;
	const char *text, *problem = NULL;
	struct regex_shape shape;
	char reason[128];
	regex_t compiled;
	int rc;

	if (!value_bytes(source, node, MAX_REGEX, "a regular expression", &text))
		return false;
	shape = regex_shape(text);
	if (shape.weight > MAX_WEIGHT) {
		problem = "its repetitions are too many";
	} else if (shape.unopened) {
		problem = "a ')' without its '(': write '\\)' or '[)]' for the character";
	} else if (shape.back_reference) {
		problem = "back-references are not supported";
	} else if ((rc = regcomp(&compiled, text, REG_EXTENDED | REG_NOSUB))) {
		regerror(rc, &compiled, reason, sizeof(reason));
		problem = reason;
	} else {
		regfree(&compiled);
		probe->expect_regex = arena_strdup(reading->config->arena, text);
	}
	if (problem)
		source_error(source, node->offset, "bad regular expression: %s", problem);
	return !problem;
}

bool probe_read_version(struct reading *reading, const struct node *node, struct config_probe *probe)
{
	static const char *const names[] = {"1.1", "2"};
	int version;

	if (!value_choice(reading->source, node, names, 2, &version))
		return false;
	probe->http_version = version ? 2 : 1;
	return true;
}

bool probe_read_sni(struct reading *reading, const struct node *node, struct config_probe *probe)
{
	struct address address;
	const char *text;

	if (!value_text(reading->source, node, "the name that the certificate is for", &text))
		return false;
	if (address_parse(text, &address) == 0 || !probe_is_dns_name(text)) {
		source_error(reading->source, node->offset,
			     "'%.64s' is no name that can be asked for by SNI: write a host name such as "
			     "www.example.com",
			     text);
		return false;
	}
	probe->sni = arena_strdup(reading->config->arena, text);
	return true;
}

bool probe_read_ca(struct reading *reading, const struct node *node, struct config_probe *probe)
{
	const char *path;

	if (!value_text(reading->source, node, "the path of a file of CA certificates", &path))
		return false;
	if (path[0] != '/' || strlen(path) >= PATH_MAX) {
		source_error(reading->source, node->offset, "'%.64s' is no absolute path of a file", path);
		return false;
	}
	probe->ca = arena_strdup(reading->config->arena, path);
	return true;
}

bool probe_read_verify(struct reading *reading, const struct node *node, struct config_probe *probe)
{
	bool verify;

	if (!value_bool(reading->source, node, &verify))
		return false;
	probe->insecure = !verify;
	return true;
}
