/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Taking the dataplane out of the kernel, with an agent or without one. */
#include <errno.h>
#include <stdbool.h>
#include <unistd.h>

#include "lib/file.h"
#include "lib/log.h"
#include "out/attach.h"
#include "out/dataplane.h"
#include "out/pins.h"
#include "out/probe_path.h"

static const char *const subs[] = {PINS_LINKS, PINS_SHARED, PINS_MAPS};

/* Removes the program's pin, the maps' and the folders, where nobody else put anything into them. */
static void remove_pins(const char *folder)
{
	char path[PIN_PATH_MAX];

	for (int i = 0; i < MAP_COUNT; i++) {
		pins_path(path, folder, PINS_MAPS, map_name((enum map)i));
		pins_remove(path);
	}
	pins_path(path, folder, NULL, "prog");
	pins_remove(path);
	for (size_t i = 0; i < sizeof(subs) / sizeof(subs[0]); i++) {
		pins_path(path, folder, NULL, subs[i]);
		rmdir(path);
	}
	if (rmdir(folder) && errno == ENOTEMPTY)
		log_warning("%s: left: it holds pins that are not Sluice's", folder);
}

/* Whether there is at least a part of what pins_open() makes. */
static bool is_ours(const char *folder)
{
	char path[PIN_PATH_MAX];

	for (size_t i = 0; i < sizeof(subs) / sizeof(subs[0]); i++)
		if (!pins_path(path, folder, NULL, subs[i]) && !access(path, F_OK))
			return true;
	return false;
}

int dataplane_remove(const char *folder)
{
	int lock = is_ours(folder) ? file_lock_folder(folder) : -ENOENT, err = lock, path_err;
	struct attachments attachments;

	if (lock == -EBUSY)
		return lock;
	if (lock >= 0) {
		attachments_adopt(&attachments, folder);
		err = attachments_remove(&attachments);
		remove_pins(folder);
		close(lock);
	}
	path_err = probe_path_remove();
	if (path_err == -EBUSY) /* it is another agent's, which has probes under way */
		path_err = 0;
	return err && err != -ENOENT ? err : path_err ?: err;
}
