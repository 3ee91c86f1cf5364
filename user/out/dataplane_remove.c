/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Taking the dataplane out of the kernel, with an agent or without one. */
#include <errno.h>
#include <unistd.h>

#include "lib/log.h"
#include "out/attach.h"
#include "out/dataplane.h"
#include "out/pins.h"
#include "out/probe_path.h"

/* Removes the program's pin, the maps' and the folders, where nobody else put anything into them. */
static void remove_pins(const char *folder)
{
	static const char *const subs[] = {PINS_LINKS, PINS_SHARED, PINS_MAPS};
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

int dataplane_remove(const char *folder)
{
	struct attachments attachments;
	char path[PIN_PATH_MAX];
	int err = pins_path(path, folder, NULL, PINS_MAPS), lock, path_err;

	if (err)
		return err;
	if (access(path, F_OK))
		return -errno;
	lock = pins_lock(folder);
	if (lock < 0)
		return lock;
	attachments_adopt(&attachments, folder);
	err = attachments_remove(&attachments);
	remove_pins(folder);
	close(lock);
	path_err = probe_path_remove();
	/* busy: it is another agent's, which has probes under way */
	return err ?: path_err == -EBUSY ? 0 : path_err;
}
