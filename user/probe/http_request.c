/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The request as libcurl wants it. It gets the connected socket and never resolves a
 * name: the URL has the name that TLS asks for and verifies, and CURLOPT_CONNECT_TO
 * the address. Nothing outside of the configuration may change what is probed: no
 * proxy, netrc, cookie, redirect, connection or session of an earlier probe.
 */
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "lib/memory.h"
#include "probe/http.h"

#define BUFFER_SIZE    4096L
#define CA_KEPT_S      600L
#define URL_HOST       300 /* room for a host name or an address, with a port */
#define PORT_OF(probe) ((probe)->type == PROBE_HTTPS ? 443 : 80)

/* CURLOPT_OPENSOCKETFUNCTION. There is one socket; for a second try, the probe has failed. */
static curl_socket_t give_socket(void *argument, curlsocktype purpose, struct curl_sockaddr *address)
{
	struct http_probe *run = argument;

	(void)purpose;
	(void)address;
	if (run->taken)
		return CURL_SOCKET_BAD;
	run->taken = true;
	return run->fd;
}

static int say_connected(void *argument, curl_socket_t fd, curlsocktype purpose)
{
	(void)argument;
	(void)fd;
	(void)purpose;
	return CURL_SOCKOPT_ALREADY_CONNECTED;
}

/* As in a URL and a Host header: "10.0.0.11", "[2001:db8::1]:8443"; no port where it is the scheme's own. */
static void put_address(const struct probe_job *job, char text[URL_HOST])
{
	char number[ADDRESS_TEXT];
	int length;

	address_format(&job->address, number);
	length = snprintf(text, URL_HOST, job->address.family == AF_INET6 ? "[%s]" : "%s", number);
	if (job->port != PORT_OF(job->probe))
		snprintf(text + length, URL_HOST - (size_t)length, ":%u", job->port);
}

/* A name or an address as it stands in a URL: IPv6 in brackets. */
static void put_host(const char *host, char text[URL_HOST])
{
	struct address address;

	if (address_parse(host, &address) == 0 && address.family == AF_INET6)
		snprintf(text, URL_HOST, "[%s]", host);
	else
		snprintf(text, URL_HOST, "%s", host);
}

static void add(struct curl_slist **list, const char *text)
{
	struct curl_slist *longer = curl_slist_append(*list, text);

	if (!longer)
		memory_exhausted();
	*list = longer;
}

/* Methods that may have a body tell that there is none: some servers insist. */
static void add_headers(struct http_probe *run, const char *host)
{
	const struct config_probe *probe = run->socket.job->probe;
	char header[URL_HOST + 8];

	snprintf(header, sizeof(header), "Host: %s", host);
	add(&run->headers, header);
	for (size_t i = 0; i < probe->header_count; i++)
		add(&run->headers, probe->headers[i]);
	if (!strcmp(probe->method, "POST") || !strcmp(probe->method, "PUT") || !strcmp(probe->method, "PATCH"))
		add(&run->headers, "Content-Length: 0");
	curl_easy_setopt(run->easy, CURLOPT_HTTPHEADER, run->headers);
}

static void set_target(struct http_probe *run)
{
	const struct probe_job *job = run->socket.job;
	const struct config_probe *probe = job->probe;
	char host[URL_HOST], name[URL_HOST], number[ADDRESS_TEXT], to[ADDRESS_TEXT + 16];
	char *url;

	if (probe->host)
		put_host(probe->host, host);
	else
		put_address(job, host);
	put_host(probe->sni ? probe->sni : host, name);
	url = memory_format("%s://%s%s", probe->type == PROBE_HTTPS ? "https" : "http", name, probe->path);
	snprintf(to, sizeof(to), job->address.family == AF_INET6 ? "::[%s]:%u" : "::%s:%u",
		 address_format(&job->address, number), job->port);
	add(&run->connect_to, to);
	curl_easy_setopt(run->easy, CURLOPT_URL, url);
	curl_easy_setopt(run->easy, CURLOPT_CONNECT_TO, run->connect_to);
	add_headers(run, host);
	free(url);
}

static void set_method(CURL *easy, const char *method)
{
	if (!strcmp(method, "HEAD"))
		curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
	else if (strcmp(method, "GET"))
		curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method);
}

/* Reading the system's some hundred certificates takes 20 ms: libcurl keeps them, if it is the only place for them. */
static void set_system_cas(CURL *easy)
{
#if LIBCURL_VERSION_NUM >= 0x075700
	const char *file = NULL;

	curl_easy_getinfo(easy, CURLINFO_CAINFO, &file);
	if (!file)
		return;
	curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
	curl_easy_setopt(easy, CURLOPT_CA_CACHE_TIMEOUT, CA_KEPT_S);
#else
	(void)easy;
#endif
}

/*
 * CURLOPT_SSL_CTX_FUNCTION. The server would answer a close_notify after the socket is gone: this host would reset
 * that, with a packet that lacks the probe's mark and goes where clients' packets go.
 */
static CURLcode close_quietly(CURL *easy, void *context, void *argument)
{
	(void)easy;
	(void)argument;
	SSL_CTX_set_quiet_shutdown(context, 1);
	return CURLE_OK;
}

static void set_tls(CURL *easy, const struct config_probe *probe)
{
	curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, close_quietly);
	curl_easy_setopt(easy, CURLOPT_SSL_SESSIONID_CACHE, 0L);
	if (!probe->ca && !probe->insecure) {
		set_system_cas(easy);
		return;
	}
	curl_easy_setopt(easy, CURLOPT_CAINFO, probe->insecure ? NULL : probe->ca);
	curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
#if LIBCURL_VERSION_NUM >= 0x075700
	/* there is room for one file's, and it is the system's */
	curl_easy_setopt(easy, CURLOPT_CA_CACHE_TIMEOUT, 0L);
#endif
	if (!probe->insecure)
		return;
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
}

static void set_version(CURL *easy, const struct config_probe *probe)
{
	long version = CURL_HTTP_VERSION_1_1;

	if (probe->http_version == 2)
		version = probe->type == PROBE_HTTPS ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE;
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, version);
}

static void set_constants(CURL *easy)
{
	static const struct {
		CURLoption option;
		long value;
	} numbers[] = {
		{CURLOPT_NOSIGNAL, 1},		{CURLOPT_FRESH_CONNECT, 1},	   {CURLOPT_FORBID_REUSE, 1},
		{CURLOPT_PATH_AS_IS, 1},	{CURLOPT_FOLLOWLOCATION, 0},	   {CURLOPT_NETRC, CURL_NETRC_IGNORED},
		{CURLOPT_DNS_CACHE_TIMEOUT, 0}, {CURLOPT_BUFFERSIZE, BUFFER_SIZE},
	};

	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
		curl_easy_setopt(easy, numbers[i].option, numbers[i].value);
	curl_easy_setopt(easy, CURLOPT_PROXY, "");
	curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(easy, CURLOPT_USERAGENT, "sluice/" SLUICE_VERSION);
#if LIBCURL_VERSION_NUM >= 0x075500
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
#else
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS, CURLPROTO_HTTP | CURLPROTO_HTTPS);
#endif
}

void http_request_make(struct http_probe *run, curl_write_callback header, curl_write_callback write)
{
	const struct config_probe *probe = run->socket.job->probe;

	run->easy = curl_easy_init();
	if (!run->easy)
		memory_exhausted();
	set_constants(run->easy);
	set_target(run);
	set_method(run->easy, probe->method);
	set_version(run->easy, probe);
	if (probe->type == PROBE_HTTPS)
		set_tls(run->easy, probe);
	curl_easy_setopt(run->easy, CURLOPT_PRIVATE, run);
	curl_easy_setopt(run->easy, CURLOPT_ERRORBUFFER, run->error);
	curl_easy_setopt(run->easy, CURLOPT_OPENSOCKETFUNCTION, give_socket);
	curl_easy_setopt(run->easy, CURLOPT_OPENSOCKETDATA, run);
	curl_easy_setopt(run->easy, CURLOPT_SOCKOPTFUNCTION, say_connected);
	curl_easy_setopt(run->easy, CURLOPT_HEADERFUNCTION, header);
	curl_easy_setopt(run->easy, CURLOPT_HEADERDATA, run);
	curl_easy_setopt(run->easy, CURLOPT_WRITEFUNCTION, write);
	curl_easy_setopt(run->easy, CURLOPT_WRITEDATA, run);
}

void http_request_free(struct http_probe *run)
{
	curl_easy_cleanup(run->easy);
	curl_slist_free_all(run->headers);
	curl_slist_free_all(run->connect_to);
}
