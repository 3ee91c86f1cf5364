/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "lib/ethtool.h"

#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/memory.h"

#define BLOCK_BITS 32 /* features in a struct ethtool_get_features_block */

/* Features have numbers that differ from kernel to kernel, and names that stay. */
struct features {
	__u32 count;
	struct ethtool_gstrings *names;
	struct ethtool_gfeatures *bits;
};

static bool ask(int fd, const char *interface, void *command)
{
	struct ifreq request = {.ifr_data = command};

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", interface);
	return ioctl(fd, SIOCETHTOOL, &request) == 0;
}

/* How many features the kernel has; 0 if it does not say. */
static __u32 features_count(int fd, const char *interface)
{
	struct ethtool_sset_info *info = memory_new(1, sizeof(*info) + sizeof(info->data[0]));
	__u32 count = 0;

	info->cmd = ETHTOOL_GSSET_INFO;
	info->sset_mask = 1ULL << ETH_SS_FEATURES;
	if (ask(fd, interface, info) && info->sset_mask)
		count = info->data[0];
	free(info);
	return count;
}

static bool features_read(struct features *features, int fd, const char *interface)
{
	__u32 count = features_count(fd, interface), blocks = (count + BLOCK_BITS - 1) / BLOCK_BITS;

	features->count = count;
	features->names = memory_new(1, sizeof(*features->names) + (size_t)count * ETH_GSTRING_LEN);
	features->names->cmd = ETHTOOL_GSTRINGS;
	features->names->string_set = ETH_SS_FEATURES;
	features->names->len = count;
	features->bits = memory_new(1, sizeof(*features->bits) + blocks * sizeof(features->bits->features[0]));
	features->bits->cmd = ETHTOOL_GFEATURES;
	features->bits->size = blocks;
	return count && ask(fd, interface, features->names) && ask(fd, interface, features->bits);
}

static bool is_on(const struct features *features, const char *name)
{
	for (__u32 i = 0; i < features->count && i < features->names->len; i++) {
		const char *one = (const char *)features->names->data + (size_t)i * ETH_GSTRING_LEN;

		if (strncmp(one, name, ETH_GSTRING_LEN) == 0)
			return features->bits->features[i / BLOCK_BITS].active >> i % BLOCK_BITS & 1;
	}
	return false;
}

unsigned int ethtool_strips(const char *interface)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct features features = {0};
	unsigned int strips = 0;

	if (fd < 0) /* a host without IPv4 */
		fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return 0;
	if (features_read(&features, fd, interface)) {
		strips |= is_on(&features, "rx-vlan-hw-parse") ? ETHTOOL_STRIPS_CTAG : 0;
		strips |= is_on(&features, "rx-vlan-stag-hw-parse") ? ETHTOOL_STRIPS_STAG : 0;
	}
	free(features.names);
	free(features.bits);
	close(fd);
	return strips;
}
