/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Reads a YAML file into a configuration, or says everything that is wrong with it. */
#ifndef SLUICE_CONFIG_FILE_H
#define SLUICE_CONFIG_FILE_H

#include "model/config.h"

/*
 * Reads and validates the file. On success returns 0 and the configuration, to
 * be freed with config_free(). Otherwise -EINVAL (or the errno of opening it),
 * and *errors is the text for the user, to be freed: for every error
 *
 *     FILE:LINE:COLUMN: error: MESSAGE
 *     <the offending line>
 *     <a caret under the column>
 *
 * in order of position, and a last line that counts them. *errors is NULL on success.
 */
int config_file_read(const char *path, struct config **config, char **errors);

/* The same for a text of `length` bytes; `name` stands for the file in the errors. */
int config_text_read(const char *text, size_t length, const char *name, struct config **config, char **errors);

#endif
