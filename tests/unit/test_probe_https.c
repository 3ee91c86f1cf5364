/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The https probe, and HTTP/2, against nginx in a namespace:
 *
 *   443   TLS, HTTP/2 and 1.1; a certificate for www.example.org and 127.0.0.2 by a CA of the test's own
 *   8443  TLS, HTTP/1.1 alone; the same certificate
 *   9443  the same certificate, but it has expired
 *   8082  HTTP/2 without TLS
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "unit/http_lab.h"
#include "unit/temp_folder.h"

static struct config_range good[] = {{200, 200}};

struct site {
	char folder[TEMP_FOLDER_SIZE], ca[96];
	pid_t nginx;
};

static struct site site;

#define NEW_KEY "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
#define SIGN	"openssl x509 -req -in csr.pem -CA ca.pem -CAkey ca.key -CAcreateserial -copy_extensions copy"
#define PAST	"-not_before 20200101000000Z -not_after 20210101000000Z" /* where OpenSSL knows that */

static void make_certificates(void)
{
	shell_run("cd %s && exec 2>openssl.log && "
		  "openssl req -x509 " NEW_KEY " -keyout ca.key -out ca.pem -subj '/CN=CA of a test' -days 2 && "
		  "openssl req " NEW_KEY " -keyout key.pem -out csr.pem -subj /CN=www.example.org"
		  " -addext subjectAltName=DNS:www.example.org,IP:127.0.0.2 && " SIGN " -days 2 -out cert.pem && "
		  "{ " SIGN " -days -1 -out expired.pem || " SIGN " " PAST " -out expired.pem; }",
		  site.folder);
	snprintf(site.ca, sizeof(site.ca), "%s/ca.pem", site.folder);
}

static void write_config(void)
{
	char path[96];
	FILE *file;

	snprintf(path, sizeof(path), "%s/nginx.conf", site.folder);
	file = fopen(path, "we");
	fprintf(file, "daemon off; master_process off; user root; pid nginx.pid; error_log error.log;\n"
		      "events {}\n"
		      "http {\n"
		      "  access_log off;\n"
		      "  client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3;\n"
		      "  uwsgi_temp_path t4; scgi_temp_path t5;\n"
		      "  server {\n"
		      "    listen 443 ssl http2; listen 8443 ssl; listen 8082 http2;\n"
		      "    ssl_certificate cert.pem; ssl_certificate_key key.pem;\n"
		      "    location = /who { return 200 \"$server_protocol $http_host $ssl_server_name.\"; }\n"
		      "    location = /busy { return 503; }\n"
		      "  }\n"
		      "  server { listen 9443 ssl; ssl_certificate expired.pem; ssl_certificate_key key.pem; }\n"
		      "}\n");
	fclose(file);
}

static bool answers(__u16 port)
{
	struct sockaddr_in name = {
		.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool connected = connect(fd, (struct sockaddr *)&name, sizeof(name)) == 0;

	close(fd);
	return connected;
}

static void run_nginx(void)
{
	const struct timespec moment = {.tv_nsec = 5000000};

	site.nginx = fork();
	if (!site.nginx) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execl("/usr/sbin/nginx", "nginx", "-p", site.folder, "-c", "nginx.conf", "-e", "error.log", NULL);
		_exit(127);
	}
	for (int i = 0; !answers(9443); i++) {
		if (i == 2000 || waitpid(site.nginx, NULL, WNOHANG))
			fail_msg("nginx does not answer");
		nanosleep(&moment, NULL);
	}
}

static int open_site(void **state)
{
	if (lab_namespace(state))
		return -1;
	if (temp_folder_make(site.folder, 0700))
		return -1;
	make_certificates();
	write_config();
	run_nginx();
	return 0;
}

static int close_site(void **state)
{
	(void)state;
	kill(site.nginx, SIGKILL);
	waitpid(site.nginx, NULL, 0);
	return temp_folder_remove(site.folder);
}

static int setup(void **state)
{
	struct lab *lab = http_setup(state, PROBE_HTTPS, "/who");

	lab->probe.status = good;
	lab->probe.status_count = 1;
	lab->probe.host = "www.example.org";
	lab->probe.ca = site.ca;
	lab->job.port = 443;
	return 0;
}

/* What nginx says of the request: protocol, Host, name asked for by SNI. */
static void asks(struct lab *lab, const char *who)
{
	lab->probe.expect = lab_bytes(who);
	if (lab_probe(lab) != FINDING_PASSED)
		fail_msg("not '%s': %s", who, lab->text);
}

static void fails(struct lab *lab, enum finding finding, const char *words)
{
	lab_probe(lab);
	if (lab->finding != finding || !strstr(lab->text, words))
		fail_msg("found %d, \"%s\" instead of %d, \"%s\"", lab->finding, lab->text, finding, words);
}

static void test_names(void **state)
{
	struct lab *lab = *state;

	asks(lab, "HTTP/1.1 www.example.org www.example.org.");
	lab->job.port = 8443;
	lab->probe.host = "www.example.org:8443";
	asks(lab, "HTTP/1.1 www.example.org:8443 www.example.org.");
	/* one name for the certificate, another one for the server */
	lab->probe.host = "internal";
	lab->probe.sni = "www.example.org";
	asks(lab, "HTTP/1.1 internal www.example.org.");
	/* by address alone: that is what the certificate is to be for */
	lab->probe.host = lab->probe.sni = NULL;
	lab_address(lab, "127.0.0.2");
	asks(lab, "HTTP/1.1 127.0.0.2:8443 .");
}

static void test_http2(void **state)
{
	struct lab *lab = *state;

	lab->probe.http_version = 2;
	asks(lab, "HTTP/2.0 www.example.org www.example.org.");
	lab->probe.host = "internal";
	lab->probe.sni = "www.example.org";
	asks(lab, "HTTP/2.0 internal www.example.org.");
	lab->probe.path = "/busy";
	fails(lab, FINDING_FAILED, "GET https://127.0.0.1:443/busy: status 503 after ");
	lab->probe.path = "/who";
	lab->job.port = 8443;
	fails(lab, FINDING_FAILED, "status 200, but by HTTP/1 instead of HTTP/2 after ");
}

static void test_http2_without_tls(void **state)
{
	struct lab *lab = *state;

	lab->probe.type = PROBE_HTTP;
	lab->probe.http_version = 2;
	lab->job.port = 8082;
	asks(lab, "HTTP/2.0 www.example.org .");
	lab->probe.expect.length = 0;
	assert_int_equal(lab_probe(lab), FINDING_PASSED);
	lab->probe.path = "/busy";
	fails(lab, FINDING_FAILED, "status 503");
	/* a server of HTTP/1.1 */
	lab->job.port = 9443;
	assert_int_equal(lab_probe(lab), FINDING_FAILED);
}

static void test_expired_certificate(void **state)
{
	struct lab *lab = *state;

	lab->job.port = 9443;
	fails(lab, FINDING_FAILED, "certificate has expired");
	lab->probe.insecure = true;
	fails(lab, FINDING_FAILED, "status 404");
}

static void test_certificate_for_another_name(void **state)
{
	struct lab *lab = *state;

	lab->probe.host = "www.example.net";
	fails(lab, FINDING_FAILED,
	      "no alternative certificate subject name matches target host name 'www.example.net'");
	lab->probe.host = NULL; /* 127.0.0.1: it is for 127.0.0.2 */
	fails(lab, FINDING_FAILED, "no alternative certificate subject name matches");
	lab->probe.insecure = true;
	asks(lab, "HTTP/1.1 127.0.0.1 .");
}

static void test_certificate_by_a_stranger(void **state)
{
	struct lab *lab = *state;

	lab->probe.ca = NULL; /* the system's */
	fails(lab, FINDING_FAILED, "unable to get local issuer certificate");
	/* one's CA is not left behind for the others */
	lab->probe.ca = site.ca;
	asks(lab, "HTTP/1.1 ");
	lab->probe.ca = NULL;
	fails(lab, FINDING_FAILED, "unable to get local issuer certificate");
	lab->probe.insecure = true;
	asks(lab, "HTTP/1.1 www.example.org www.example.org.");
}

static void test_missing_ca_file_is_trouble(void **state)
{
	struct lab *lab = *state;

	lab->probe.ca = "/nowhere/ca.pem";
	fails(lab, FINDING_TROUBLE, "/nowhere/ca.pem");
}

static void test_not_tls(void **state)
{
	struct lab *lab = *state;

	lab->job.port = 8082;
	fails(lab, FINDING_FAILED, "GET https://127.0.0.1:8082/who: ");
}

static void test_hung_handshake(void **state)
{
	struct lab *lab = *state;
	struct server server;

	server_open(&server, lab->base, "::", (struct manners){.listens = true});
	lab->job.port = server.port;
	lab->probe.timeout_ms = 150;
	fails(lab, FINDING_FAILED, "connected, but no TLS handshake within 150 ms");
	lab_start(lab);
	while (server.accepted < 2 || !server.got_length)
		event_base_loop(lab->base, EVLOOP_ONCE);
	probe_http.cancel(lab->run);
	server_close(&server);
}

static void test_closing_leaves_nothing_in_time_wait(void **state)
{
	struct lab *lab = *state;

	asks(lab, "HTTP/1.1 ");
	lab->probe.expect.length = 0;
	assert_int_equal(lab_probe(lab), FINDING_PASSED);
	shell_run("test -z \"$(ss -Htan state time-wait dport = :443)\"");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, http_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_closing_leaves_nothing_in_time_wait),
		TEST(test_names),
		TEST(test_http2),
		TEST(test_http2_without_tls),
		TEST(test_expired_certificate),
		TEST(test_certificate_for_another_name),
		TEST(test_certificate_by_a_stranger),
		TEST(test_missing_ca_file_is_trouble),
		TEST(test_not_tls),
		TEST(test_hung_handshake),
	};

	return cmocka_run_group_tests(tests, open_site, close_site);
}
