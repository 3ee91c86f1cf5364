/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * ping: one ICMP or ICMPv6 echo request. A raw socket, because the unprivileged kind depends on a
 * sysctl (net.ipv4.ping_group_range). A raw socket sees the replies to others' requests, too: those with our
 * identifier, sequence number and cookie, all three random, are ours.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <event2/util.h>
#include <linux/errqueue.h>
#include <linux/filter.h>
#include <linux/icmp.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <string.h>
#include <sys/socket.h>

#include "probe/socket.h"

/* Alike in both versions, but for the type. */
struct echo {
	__u8 type, code;
	__be16 checksum;
	__u16 id, sequence;
	__u8 cookie[16];
};

#define PACKETS_PER_TURN 64 /* then the loop's other events have their turn */

struct ping_probe {
	struct probe_socket socket;
	struct echo request;
};

/* IPv4 alone: for ICMPv6 the kernel does it. */
static __be16 checksum(const struct echo *echo)
{
	__u16 words[sizeof(*echo) / 2];
	__u32 sum = 0;

	memcpy(words, echo, sizeof(words));
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		sum += words[i];
	sum = (sum & 0xffff) + (sum >> 16);
	return (__be16) ~(sum + (sum >> 16));
}

/* The kernel is to hand up echo replies alone. 0 or a positive errno. */
static int filter(int fd, bool v6)
{
	const struct icmp_filter v4_filter = {.data = ~(1U << ICMP_ECHOREPLY)};
	struct icmp6_filter v6_filter;

	if (!v6)
		return setsockopt(fd, SOL_RAW, ICMP_FILTER, &v4_filter, sizeof(v4_filter)) ? errno : 0;
	ICMP6_FILTER_SETBLOCKALL(&v6_filter);
	ICMP6_FILTER_SETPASS(ICMP6_ECHO_REPLY, &v6_filter);
	return setsockopt(fd, IPPROTO_ICMPV6, ICMP6_FILTER, &v6_filter, sizeof(v6_filter)) ? errno : 0;
}

/*
 * And of these its own alone: at the VIP of a thousand backends, each of the silent ones' sockets would be woken for
 * every reply of the others, and could overflow with them. The cookie is compared later.
 */
static int filter_own(int fd, bool v6, const struct echo *request)
{
	const __u32 id_and_sequence = (__u32)ntohs(request->id) << 16 | ntohs(request->sequence);
	struct sock_filter code[] = {
		/* an IPv4 packet is seen with its header, whose length goes to X; an ICMPv6 one without */
		v6 ? (struct sock_filter)BPF_STMT(BPF_LDX | BPF_IMM, 0)
		   : (struct sock_filter)BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 0),
		BPF_STMT(BPF_LD | BPF_W | BPF_IND, offsetof(struct echo, id)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, id_and_sequence, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, ~0U),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	const struct sock_fprog program = {.len = sizeof(code) / sizeof(*code), .filter = code};

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) ? errno : 0;
}

/* What a packet has beyond its IP header, if it is an echo reply; IPv6 raw sockets give none. */
static bool is_own_reply(const struct ping_probe *run, const __u8 *packet, size_t length)
{
	bool v6 = run->socket.job->address.family == AF_INET6;
	struct echo reply;
	size_t header = 0;

	if (!v6) {
		if (length < sizeof(struct iphdr))
			return false;
		header = (size_t)(packet[0] & 0xf) * 4;
	}
	if (length < header + sizeof(reply))
		return false;
	memcpy(&reply, packet + header, sizeof(reply));
	return reply.type == (v6 ? ICMP6_ECHO_REPLY : ICMP_ECHOREPLY) && reply.id == run->request.id &&
	       reply.sequence == run->request.sequence &&
	       memcmp(reply.cookie, run->request.cookie, sizeof(reply.cookie)) == 0;
}

/*
 * An ICMP error comes with the head of the packet it is about; others' to the same
 * destination come here, too. 0, the errno of one that is about ours, or -1: no more.
 */
static int next_error(const struct ping_probe *run)
{
	char control[512] __attribute__((aligned(sizeof(size_t))));
	struct echo about = {0};
	struct iovec data = {.iov_base = &about, .iov_len = sizeof(about)};
	struct msghdr message = {
		.msg_iov = &data, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
	const struct sock_extended_err *error;
	ssize_t n = recvmsg(run->socket.fd, &message, MSG_ERRQUEUE);
	struct cmsghdr *header;

	if (n < 0)
		return -1;
	header = CMSG_FIRSTHDR(&message);
	if (!header || header->cmsg_len < CMSG_LEN(sizeof(*error)) || n < 8)
		return 0;
	error = (const struct sock_extended_err *)CMSG_DATA(header);
	if (about.type != run->request.type || about.id != run->request.id || about.sequence != run->request.sequence)
		return 0;
	return (int)error->ee_errno;
}

static bool ready(struct probe_socket *socket)
{
	struct ping_probe *run = (struct ping_probe *)socket;
	__u8 packet[256];
	ssize_t n = 0;
	int error = 0;

	for (int i = 0; i < PACKETS_PER_TURN && error >= 0; i++) {
		error = next_error(run);
		if (error > 0)
			return probe_socket_fail(socket, error, "");
	}
	/* an error that was about another's packet is given here once more */
	for (int i = 0; i < PACKETS_PER_TURN && n >= 0; i++) {
		n = recv(socket->fd, packet, sizeof(packet), 0);
		if (n >= 0 && is_own_reply(run, packet, (size_t)n))
			return probe_socket_end(socket, FINDING_PASSED, "reply");
	}
	return false;
}

static void silent(struct probe_socket *socket)
{
	probe_socket_timeout(socket, "no reply");
}

static const struct probe_socket_type type = {.action = "ping", .ready = ready, .silent = silent};

static void *start(const struct probe_job *job, enum finding *finding, char text[HEALTH_TEXT])
{
	bool v6 = job->address.family == AF_INET6;
	struct ping_probe *run =
		probe_socket_new(sizeof(*run), &type, job, SOCK_RAW, v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP, finding, text);
	int error;

	if (!run)
		return NULL;
	evutil_secure_rng_get_bytes(&run->request, sizeof(run->request));
	run->request.type = v6 ? ICMP6_ECHO_REQUEST : ICMP_ECHO;
	run->request.code = 0;
	run->request.checksum = 0;
	run->request.checksum = v6 ? 0 : checksum(&run->request);
	error = filter(run->socket.fd, v6) ?: filter_own(run->socket.fd, v6, &run->request);
	if (!error)
		error = probe_socket_send_once(&run->socket, &run->request, sizeof(run->request));
	if (error)
		return probe_socket_refuse(&run->socket, error, finding, text);
	probe_socket_wait(&run->socket, EV_READ);
	return run;
}

const struct probe_type_functions probe_ping = {.start = start, .cancel = probe_socket_cancel};
