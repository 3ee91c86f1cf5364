/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The configuration that came over the control socket, kept in the state folder's applied.yaml: it runs after a
 * restart too, until a reload goes back to the file. Its last line tells how it came, and that it is whole.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/agent.h"
#include "in/config_file.h"
#include "lib/account.h"
#include "lib/file.h"
#include "lib/log.h"
#include "lib/memory.h"
#include "lib/text.h"

#define APPLIED_BY ", applied over the control socket by "

static char *applied_path(const struct agent *agent)
{
	return memory_format("%s/applied.yaml", agent->options.state);
}

char *applied_describe(const char *name, uid_t uid)
{
	char user[ACCOUNT_NAME], when[TEXT_DATE], clean[200];

	text_clean(clean, sizeof(clean), name, strlen(name)); /* cuts between characters */
	return memory_format("%s" APPLIED_BY "%s (uid %u) at %s", clean,
			     account_name(uid, user) ? user : "an unknown user", uid, text_date(time(NULL), when));
}

int applied_save(struct agent *agent)
{
	const char *content = agent->applied_text;
	char *path = applied_path(agent);
	int err;

	if (agent->state_taken)
		err = -EBUSY;
	else
		err = content ? file_replace(path, content, strlen(content), FILE_PRIVATE) : file_remove(path);
	agent_saved(agent, "applied.yaml", err, &agent->applied_unsaved);
	free(path);
	return err;
}

int applied_keep(struct agent *agent, const char *text)
{
	free(agent->applied_text);
	agent->applied_text = memory_format("%s\n# %s\n", text, agent->state.applied);
	return applied_save(agent);
}

int applied_drop(struct agent *agent)
{
	free(agent->applied_text);
	agent->applied_text = NULL;
	return applied_save(agent);
}

/* The last line of what applied_keep() wrote, without its comment sign; NULL if the file was cut off before it. */
static char *find_description(const char *content)
{
	size_t length = strlen(content);
	const char *line = content + length;

	if (!length || line[-1] != '\n')
		return NULL;
	for (line--; line > content && line[-1] != '\n';)
		line--;
	if (strncmp(line, "# ", 2) != 0 || !strstr(line, APPLIED_BY))
		return NULL;
	return memory_format("%.*s", (int)(content + length - 1 - (line + 2)), line + 2);
}

/* What an earlier run kept; -ENOENT if there is nothing, and another negative errno with *errors if it is damaged. */
static int read_applied(struct agent *agent, const char *path, struct config **config, char **errors)
{
	int err = access(path, F_OK) ? -ENOENT : config_file_read(path, config, errors);
	size_t length;
	char *content;

	if (err)
		return err;
	content = file_read(path, &length);
	agent->state.applied = content ? find_description(content) : NULL;
	if (agent->state.applied) {
		agent->applied_text = content;
		return 0;
	}
	free(content);
	config_free(*config);
	*config = NULL;
	*errors = memory_format("%s: its last line is missing, and perhaps more\n", path);
	return -EINVAL;
}

char *applied_first_error(const char *errors)
{
	size_t length = strcspn(errors, "\n"), others = 0;
	const char *rest = errors + length, *last = rest;
	char first[EVENT_TEXT - 60];

	/* the last line counts them all */
	for (const char *line = rest; *line && line[1]; line = last + strcspn(last, "\n"))
		last = line + 1;
	if (last > rest)
		others = strtoul(last, NULL, 10) - 1;
	text_clean(first, sizeof(first) - 3, errors, length);
	if (length >= sizeof(first) - 3)
		strcat(first, "...");
	if (!others)
		return memory_format("%s", first);
	return memory_format("%s, and %zu more error%s", first, others, others == 1 ? "" : "s");
}

int agent_read_config(struct agent *agent, struct config **config, char **errors)
{
	char *path = applied_path(agent), *first;
	int err = read_applied(agent, path, config, errors);

	if (!err) {
		log_warning("running %s, not %s: `sluice reload` goes back to the file", agent->state.applied,
			    agent->options.config);
	} else if (*errors) {
		log_error("the applied configuration of an earlier run cannot be read, %s runs instead:\n%s",
			  agent->options.config, *errors);
		first = applied_first_error(*errors);
		agent_event(agent, EVENT_config_refused, EVENT_NOBODY, "%s runs, not what was applied: %s",
			    agent->options.config, first);
		free(first);
		free(*errors);
		*errors = NULL;
	}
	if (err)
		err = config_file_read(agent->options.config, config, errors);
	free(path);
	return err;
}
