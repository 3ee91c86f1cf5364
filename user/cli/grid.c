/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "cli/grid.h"

#include <libsmartcols.h>
#include <stdlib.h>
#include <string.h>

#include "lib/memory.h"

struct grid {
	struct libscols_table *table;
	struct libscols_line *line;
	size_t cell;
	bool headers;
};

struct grid *grid_new(bool colours)
{
	struct grid *grid = memory_new(1, sizeof(*grid));

	grid->table = scols_new_table();
	if (!grid->table)
		memory_exhausted();
	scols_table_set_column_separator(grid->table, "  ");
	scols_table_enable_colors(grid->table, colours);
	return grid;
}

/* A cell asks for its whole length; how much of that it gets is the library's decision. */
static size_t wanted_width(const struct libscols_column *column, const char *text, void *data)
{
	(void)column;
	(void)data;
	return strlen(text);
}

/* Ends the line at the last space that fits (the library's own wrapping cuts words) and returns the rest, or NULL. */
static char *next_line(const struct libscols_column *column, char *text, void *data)
{
	size_t width = scols_column_get_width(column), end = width;

	(void)data;
	if (!text || !width || strlen(text) <= width)
		return NULL;
	while (end && text[end] != ' ')
		end--;
	if (!end)
		return NULL; /* one long word: overflowing it can still be copied */
	text[end] = '\0';
	return text + end + 1;
}

void grid_column(struct grid *grid, const char *header, unsigned int flags)
{
	const int own = (flags & GRID_RIGHT ? SCOLS_FL_RIGHT : 0) | (flags & GRID_WRAP ? SCOLS_FL_WRAP : 0) |
			(flags & GRID_TRUNCATE ? SCOLS_FL_TRUNC : 0);
	struct libscols_column *column;

	column = scols_table_new_column(grid->table, header ? header : "",
					flags & (GRID_WRAP | GRID_TRUNCATE) ? 0.2 : 0, own);
	if (!column)
		memory_exhausted();
	if (flags & GRID_WRAP)
		scols_column_set_wrapfunc(column, wanted_width, next_line, NULL);
	grid->headers |= header != NULL;
}

void grid_row(struct grid *grid)
{
	grid->line = scols_table_new_line(grid->table, NULL);
	if (!grid->line)
		memory_exhausted();
	grid->cell = 0;
}

void grid_cell(struct grid *grid, const char *text, const char *colour)
{
	struct libscols_cell *cell = scols_line_get_cell(grid->line, grid->cell++);

	scols_cell_set_data(cell, text);
	if (colour)
		scols_cell_set_color(cell, colour);
}

void grid_print(struct grid *grid)
{
	scols_table_enable_noheadings(grid->table, !grid->headers);
	scols_print_table(grid->table);
	scols_unref_table(grid->table);
	free(grid);
}
