/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Rows and columns on standard output (libsmartcols). */
#ifndef SLUICE_GRID_H
#define SLUICE_GRID_H

#include <stdbool.h>
#include <stddef.h>

#define GRID_RIGHT    0x1 /* numbers */
#define GRID_WRAP     0x2 /* longer texts, where a terminal is too narrow */
#define GRID_TRUNCATE 0x4 /* texts that are cut there; elsewhere they are whole */

struct grid;

/* `colours`: whether cells and the header may have any. */
struct grid *grid_new(bool colours);

/* Columns come before rows. A grid whose headers are all NULL has no header line. */
void grid_column(struct grid *grid, const char *header, unsigned int flags);

/* Starts a row; the cells that follow fill it from the left. */
void grid_row(struct grid *grid);

/* The text is copied. `colour` is "red", "green", ... or NULL. */
void grid_cell(struct grid *grid, const char *text, const char *colour);

/* Prints and frees. */
void grid_print(struct grid *grid);

#endif
