/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "out/attach.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/memory.h"
#include "out/pins.h"

static struct attachment *attachment_find(const struct attachments *attachments, const char *interface)
{
	struct attachment *attachment;

	HASH_FIND_STR(attachments->by_interface, interface, attachment);
	return attachment;
}

static struct attachment *attachment_add(struct attachments *attachments, const char *interface)
{
	struct attachment *attachment = memory_new(1, sizeof(*attachment));

	snprintf(attachment->interface, sizeof(attachment->interface), "%s", interface);
	attachment->link = -1;
	HASH_ADD_STR(attachments->by_interface, interface, attachment);
	return attachment;
}

static void attachment_free(struct attachments *attachments, struct attachment *attachment)
{
	HASH_DEL(attachments->by_interface, attachment);
	if (attachment->link >= 0)
		close(attachment->link);
	xdp_program__close(attachment->shared);
	free(attachment);
}

/* Interface and program of a link; ifindex 0 once the interface is gone. */
static int link_info(int link, __u32 *ifindex, __u32 *program)
{
	struct bpf_link_info info = {};
	__u32 length = sizeof(info);
	int err = bpf_obj_get_info_by_fd(link, &info, &length);

	if (err)
		return err;
	*ifindex = info.type == BPF_LINK_TYPE_XDP ? info.xdp.ifindex : 0;
	*program = info.prog_id;
	return 0;
}

static const char *mode_in_use(__u32 ifindex)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, query);

	if (bpf_xdp_query((int)ifindex, 0, &query))
		return "unknown";
	return query.attach_mode == XDP_ATTACHED_SKB ? "generic" : "native";
}

static int link_pin(char path[PIN_PATH_MAX], const char *folder, const char *interface)
{
	char name[IFNAMSIZ];

	pins_from_interface(name, interface);
	return pins_path(path, folder, PINS_LINKS, name);
}

static int exclusive_attach_mode(const struct attachment *attachment, const struct program *program, __u32 flags)
{
	LIBBPF_OPTS(bpf_link_create_opts, options, .flags = flags);
	int link = bpf_link_create(program->fd, (int)attachment->ifindex, BPF_XDP, &options);

	return link < 0 ? -errno : link;
}

/* Names the program that is in the way: whose it is tells how to get rid of it. */
static void explain_busy(struct attachment *attachment)
{
	struct bpf_prog_info info = {};
	__u32 id = 0, length = sizeof(info);
	int fd = bpf_xdp_query_id((int)attachment->ifindex, 0, &id) ? -1 : bpf_prog_get_fd_by_id(id);

	if (fd >= 0) {
		bpf_obj_get_info_by_fd(fd, &info, &length);
		close(fd);
	}
	snprintf(attachment->why, sizeof(attachment->why),
		 "another XDP program is attached (id %u, %s): detach it%s, or configure attach: shared", id,
		 info.name[0] ? info.name : "no name",
		 strcmp(info.name, "sluice") == 0 ? " (sluice detach --bpffs DIR of the other sluiced)" : "");
}

static int exclusive_attach(struct attachment *attachment, const char *folder, const struct program *program,
			    enum xdp_mode mode)
{
	char path[PIN_PATH_MAX];
	int link = mode == MODE_GENERIC ? -EOPNOTSUPP : exclusive_attach_mode(attachment, program, XDP_FLAGS_DRV_MODE);
	int err;

	if (link < 0 && mode != MODE_NATIVE && link != -EBUSY && link != -EEXIST) {
		if (mode == MODE_AUTO)
			log_warning(
				"%s: the driver refuses native XDP (%s): attaching in generic mode, which is slower",
				attachment->interface, strerror(-link));
		link = exclusive_attach_mode(attachment, program, XDP_FLAGS_SKB_MODE);
	}
	if (link == -EBUSY || link == -EEXIST) {
		explain_busy(attachment);
		return link;
	}
	if (link < 0) {
		snprintf(attachment->why, sizeof(attachment->why), "attaching in %s mode: %s",
			 mode == MODE_NATIVE ? "native" : "generic", strerror(-link));
		return link;
	}
	err = link_pin(path, folder, attachment->interface) ?: pins_replace(link, path);
	if (err) { /* without a pin it would end with this process */
		snprintf(attachment->why, sizeof(attachment->why), "pinning the attachment under %s/" PINS_LINKS ": %s",
			 folder, strerror(-err));
		close(link);
		return err;
	}
	attachment->link = link;
	attachment->program_id = program->id;
	return 0;
}

static int exclusive_update(struct attachment *attachment, const struct program *program)
{
	int err = bpf_link_update(attachment->link, program->fd, NULL);

	if (!err)
		attachment->program_id = program->id;
	return err == -ENOLINK ? 0 : err; /* the interface is gone: attachments_apply() will find out */
}

static int exclusive_detach(struct attachment *attachment, const char *folder)
{
	char path[PIN_PATH_MAX];
	int err = attachment->link >= 0 ? bpf_link_detach(attachment->link) : 0;

	if (attachment->link >= 0)
		close(attachment->link);
	attachment->link = -1;
	if (!link_pin(path, folder, attachment->interface))
		unlink(path);
	return err;
}

static int attachment_detach(struct attachment *attachment, const char *folder)
{
	int err = 0;

	if (attachment->attached)
		err = attachment->kind == ATTACH_SHARED ? shared_detach(attachment, folder)
							: exclusive_detach(attachment, folder);
	attachment->attached = false;
	return err;
}

static void attachment_attach(struct attachment *attachment, const char *folder, const struct attach_source *source,
			      const struct config_interface *wanted)
{
	char before[sizeof(attachment->why)];
	int err;

	memcpy(before, attachment->why, sizeof(before));
	attachment->kind = wanted->attach;
	attachment->asked = wanted->mode;
	attachment->refused = false;
	err = wanted->attach == ATTACH_SHARED ? shared_attach(attachment, folder, source, wanted->mode)
					      : exclusive_attach(attachment, folder, source->program, wanted->mode);
	attachment->attached = !err;
	if (!err) {
		attachment->why[0] = '\0';
		attachment->mode = mode_in_use(attachment->ifindex);
		log_info("%s: attached in %s mode", attachment->interface, attachment->mode);
	} else if (strcmp(before, attachment->why) != 0) {
		log_error("%s: %s", attachment->interface, attachment->why);
	}
}

static int attachment_update(struct attachment *attachment, const char *folder, const struct attach_source *source)
{
	int err;

	if (!attachment->attached || attachment->program_id == source->program->id)
		return 0;
	if (!attachment->program_id && shared_is_current(attachment, folder, source)) {
		attachment->program_id = source->program->id;
		return 0;
	}
	err = attachment->kind == ATTACH_SHARED ? shared_attach(attachment, folder, source, attachment->asked)
						: exclusive_update(attachment, source->program);
	if (err)
		log_error("%s: replacing the program: %s: the former one goes on", attachment->interface,
			  strerror(-err));
	return err;
}

int attachments_update(struct attachments *attachments, const struct attach_source *source)
{
	struct attachment *attachment, *next;
	int result = 0;

	HASH_ITER(hh, attachments->by_interface, attachment, next) {
		int err = attachment_update(attachment, attachments->folder, source);

		if (err)
			result = err;
	}
	return result;
}

int attachments_repair(const struct attachments *attachments)
{
	int repaired = 0, err = 0;

	for (const struct attachment *one = attachments->by_interface; one; one = one->hh.next) {
		char path[PIN_PATH_MAX];
		int result = 0;

		if (!one->attached)
			continue;
		if (one->kind == ATTACH_SHARED)
			result = shared_repair(one, attachments->folder);
		else if (!link_pin(path, attachments->folder, one->interface))
			result = pins_repair(one->link, path);
		if (result < 0)
			err = result;
		else
			repaired += result;
	}
	return err ?: repaired;
}

/* Whether what was attached to the interface is still there. */
static bool attachment_lives(const struct attachment *attachment)
{
	__u32 ifindex, program;

	if (attachment->kind == ATTACH_SHARED)
		return shared_stands(attachment);
	return !link_info(attachment->link, &ifindex, &program) && ifindex == attachment->ifindex;
}

/* Whether what is attached is what is asked for. */
static bool attachment_suits(const struct attachment *attachment, const struct config_interface *wanted)
{
	if (attachment->kind != wanted->attach)
		return false;
	return wanted->mode == MODE_AUTO || wanted->mode == attachment->asked ||
	       strcmp(attachment->mode, mode_names[wanted->mode]) == 0;
}

static bool is_refused(const struct attachment *attachment, const struct config_interface *wanted, __u32 ifindex)
{
	return attachment->refused && attachment->refused_kind == wanted->attach &&
	       attachment->refused_mode == wanted->mode && attachment->ifindex == ifindex;
}

/* Attaches as wanted; where that fails, as before, because an interface that forwards shall go on to. */
static void interface_change(struct attachments *attachments, struct attachment *attachment,
			     const struct attach_source *source, const struct config_interface *wanted, __u32 ifindex)
{
	struct config_interface former = {.name = wanted->name, .attach = attachment->kind, .mode = attachment->asked};
	bool forwarded = attachment->attached && attachment->ifindex == ifindex;
	bool lost = forwarded && !attachment_lives(attachment);
	char why[sizeof(attachment->why)];

	attachment_detach(attachment, attachments->folder);
	attachment->ifindex = ifindex;
	attachment_attach(attachment, attachments->folder, source, wanted);
	attachment->reattached += lost && attachment->attached;
	if (attachment->attached || !forwarded)
		return;
	log_warning("%s: going back to attach: %s, mode: %s", wanted->name, attach_names[former.attach],
		    mode_names[former.mode]);
	memcpy(why, attachment->why, sizeof(why));
	attachment_attach(attachment, attachments->folder, source, &former);
	if (attachment->attached)
		memcpy(attachment->why, why, sizeof(why));
	attachment->refused = true;
	attachment->refused_kind = wanted->attach;
	attachment->refused_mode = wanted->mode;
}

static void interface_apply(struct attachments *attachments, const struct attach_source *source,
			    const struct config_interface *wanted, const struct link *link)
{
	struct attachment *attachment = attachment_find(attachments, wanted->name);

	if (!attachment)
		attachment = attachment_add(attachments, wanted->name);
	if (!link) {
		if (attachment->attached || !attachment->why[0])
			log_warning("%s: no such interface: waiting for it", wanted->name);
		attachment_detach(attachment, attachments->folder);
		snprintf(attachment->why, sizeof(attachment->why), "no such interface");
	} else if (attachment->attached && attachment->ifindex == link->ifindex &&
		   attachment_suits(attachment, wanted) && attachment_lives(attachment)) {
		attachment->asked = wanted->mode;
		attachment->why[0] = '\0';
		attachment_update(attachment, attachments->folder, source);
	} else if (is_refused(attachment, wanted, link->ifindex)) {
		attachment_update(attachment, attachments->folder, source);
	} else {
		interface_change(attachments, attachment, source, wanted, link->ifindex);
	}
}

static bool is_wanted(const struct config *config, const char *interface)
{
	for (size_t i = 0; i < config->interface_count; i++)
		if (strcmp(config->interfaces[i].name, interface) == 0)
			return true;
	return false;
}

int attachments_apply(struct attachments *attachments, const struct attach_source *source, const struct config *config,
		      const struct network *network)
{
	struct attachment *attachment, *next;
	int missing = 0;

	HASH_ITER(hh, attachments->by_interface, attachment, next) {
		if (is_wanted(config, attachment->interface))
			continue;
		if (attachment->attached)
			log_info("%s: detached: it is no longer in the configuration", attachment->interface);
		attachment_detach(attachment, attachments->folder);
		attachment_free(attachments, attachment);
	}
	for (size_t i = 0; i < config->interface_count; i++)
		interface_apply(attachments, source, &config->interfaces[i],
				network_link_by_name(network, config->interfaces[i].name));
	HASH_ITER(hh, attachments->by_interface, attachment, next)
		missing += !attachment->attached;
	return missing;
}

static int adopt_link(const char *path, const char *name, void *argument)
{
	struct attachments *attachments = argument;
	struct attachment *attachment;
	char interface[IFNAMSIZ];
	__u32 ifindex, program;
	int link = bpf_obj_get(path);

	if (link < 0 || link_info(link, &ifindex, &program) || !ifindex) {
		if (link >= 0)
			close(link);
		unlink(path);
		return 0;
	}
	pins_to_interface(interface, name);
	attachment = attachment_add(attachments, interface);
	attachment->kind = ATTACH_EXCLUSIVE;
	attachment->attached = true;
	attachment->link = link;
	attachment->ifindex = ifindex;
	attachment->program_id = program;
	attachment->mode = mode_in_use(ifindex);
	return 0;
}

static int adopt_shared(const char *path, const char *name, void *argument)
{
	struct attachments *attachments = argument;
	struct attachment *attachment;
	char interface[IFNAMSIZ];

	pins_to_interface(interface, name);
	attachment = attachment_add(attachments, interface);
	attachment->kind = ATTACH_SHARED;
	if (shared_adopt(attachment, path)) {
		log_warning("%s: no instance of ours in its dispatcher: forgetting it (if the interface is in another "
			    "network namespace, it goes on there)",
			    interface);
		unlink(path);
		attachment_free(attachments, attachment);
	}
	return 0;
}

void attachments_adopt(struct attachments *attachments, const char *folder)
{
	attachments->folder = folder;
	attachments->by_interface = NULL;
	pins_each(folder, PINS_LINKS, adopt_link, attachments);
	pins_each(folder, PINS_SHARED, adopt_shared, attachments);
}

void attachments_close(struct attachments *attachments)
{
	struct attachment *attachment, *next;

	HASH_ITER(hh, attachments->by_interface, attachment, next)
		attachment_free(attachments, attachment);
}

int attachments_remove(struct attachments *attachments)
{
	struct attachment *attachment, *next;
	int result = 0;

	HASH_ITER(hh, attachments->by_interface, attachment, next) {
		int err = attachment_detach(attachment, attachments->folder);

		if (err) {
			log_error("%s: detaching: %s", attachment->interface, strerror(-err));
			result = err;
		}
		attachment_free(attachments, attachment);
	}
	return result;
}
