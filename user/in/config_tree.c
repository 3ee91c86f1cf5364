/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The tree is built from the YAML library's events, not from its document tree,
 * for what that one cannot do: all duplicate keys with the place of the first,
 * aliases refused before they are expanded, and bounds on depth and size.
 */
#include "in/config_tree.h"

#include <libfyaml.h>
#include <stdlib.h>
#include <string.h>

#include "in/config_guard.h"

#define MAX_DEPTH 16
#define MAX_NODES 1000000 /* a configuration at all its limits has fewer */

/* An open list or map. */
struct level {
	struct node *node;
	struct node *last; /* child or key */
	bool key_open;	   /* `last` is a key that waits for its value */
};

struct builder {
	struct source *source;
	struct fy_parser *parser;
	struct fy_diag *diag;
	struct node *root;
	struct level levels[MAX_DEPTH];
	size_t depth, nodes, documents;
	size_t position; /* where the last event with a position was */
	bool ended;	 /* the stream came to its end */
};

static void discard(struct fy_diag *diag, void *user, const char *text, size_t length)
{
	(void)diag, (void)user, (void)text, (void)length;
}

static size_t token_offset(struct builder *builder, struct fy_token *token)
{
	const struct fy_mark *mark = token ? fy_token_start_mark(token) : NULL;

	/* an omitted value has no mark */
	if (!mark || mark->line < 0 || mark->input_pos > builder->source->size)
		return SOURCE_NOWHERE;
	return mark->input_pos;
}

static const char *kind_text(enum node_kind kind)
{
	switch (kind) {
	case NODE_LIST:
		return "a list";
	case NODE_MAP:
		return "a map";
	default:
		return "a text with a control character in it";
	}
}

/* Takes its place as the next child, key or value of the innermost open collection. */
static void place(struct builder *builder, struct node *node)
{
	struct level *level = builder->depth ? &builder->levels[builder->depth - 1] : NULL;

	if (!level) {
		builder->root = node;
	} else if (level->key_open) {
		level->last->value = node;
		level->key_open = false;
	} else {
		if (level->last)
			level->last->next = node;
		else
			level->node->first = node;
		level->last = node;
		level->node->count++;
		level->key_open = level->node->kind == NODE_MAP;
		if (level->key_open && node->kind != NODE_SCALAR && node->kind != NODE_BAD)
			source_error(builder->source, node->offset, "expected a key, found %s", kind_text(node->kind));
	}
}

/* A node at a token; NULL if the document is too large. `offset` SOURCE_NOWHERE: about where the last one was. */
static struct node *node_new(struct builder *builder, enum node_kind kind, size_t offset)
{
	struct node *node;

	if (offset != SOURCE_NOWHERE)
		builder->position = offset;
	if (++builder->nodes > MAX_NODES) {
		source_error(builder->source, builder->position, "more than %d values in the file", MAX_NODES);
		return NULL;
	}
	node = arena_alloc(builder->source->arena, sizeof(*node));
	node->kind = kind;
	node->offset = (__u32)builder->position;
	return node;
}

static void check_tag(struct builder *builder, struct fy_token *tag, struct node *node)
{
	if (!tag)
		return;

	size_t offset = token_offset(builder, tag);

	source_error(builder->source, offset == SOURCE_NOWHERE ? node->offset : offset,
		     "YAML tags (!...) are not supported: remove it");
	if (node->kind == NODE_SCALAR || node->kind == NODE_BYTES)
		node->kind = NODE_BAD;
}

/* The text of a scalar's token; NULL after an error. */
static const char *scalar_text(struct builder *builder, struct fy_token *token, struct node *node)
{
	const struct fy_mark *start = fy_token_start_mark(token), *end = fy_token_end_mark(token);
	enum fy_scalar_style style = fy_token_scalar_style(token);
	size_t length, bad;
	const char *text;

	/* before its text is taken: the library joins lines on the stack */
	if (style == FYSS_LITERAL || style == FYSS_FOLDED || (start && end && start->line != end->line)) {
		source_error(builder->source, node->offset,
			     "a text over several lines: write it on one line, or check the indentation");
		return NULL;
	}
	text = fy_token_get_text(token, &length);
	if (!text)
		text = "", length = 0;
	if (memchr(text, '\0', length)) {
		source_error(builder->source, node->offset, "a text with a NUL in it");
		return NULL;
	}
	if (!source_text_plain(text, length, &bad))
		node->kind = NODE_BYTES;
	return arena_strndup(builder->source->arena, text, length);
}

/*
 * An item that is only a dash has no mark of its own: the next line that starts
 * with one, if it is not the first item, where the list's mark is the dash.
 */
static size_t bare_dash(const struct builder *builder)
{
	const char *text = builder->source->text;
	const struct level *level = builder->depth ? &builder->levels[builder->depth - 1] : NULL;

	if (!level || level->node->kind != NODE_LIST || !level->last)
		return SOURCE_NOWHERE;
	for (const char *s = strchr(text + builder->position, '\n'); s; s = strchr(s, '\n')) {
		s += 1 + strspn(s + 1, " ");
		if (*s == '-')
			return (size_t)(s - text);
	}
	return SOURCE_NOWHERE;
}

static bool add_scalar(struct builder *builder, const struct fy_event *event)
{
	struct fy_token *token = event->scalar.value;
	enum fy_scalar_style style = fy_token_scalar_style(token);
	size_t offset = token_offset(builder, token);
	bool quoted = style == FYSS_SINGLE_QUOTED || style == FYSS_DOUBLE_QUOTED;
	struct node *node =
		node_new(builder, NODE_SCALAR, offset == SOURCE_NOWHERE ? bare_dash(builder) : offset - quoted);

	if (!node)
		return false;
	node->quoted = quoted;
	node->text = scalar_text(builder, token, node);
	if (!node->text) {
		node->text = "";
		node->kind = NODE_BAD;
	}
	check_tag(builder, event->scalar.tag, node);
	place(builder, node);
	return true;
}

static bool open_level(struct builder *builder, enum node_kind kind, struct fy_token *token, struct fy_token *tag)
{
	struct node *node = node_new(builder, kind, token_offset(builder, token));

	if (!node)
		return false;
	check_tag(builder, tag, node);
	place(builder, node);
	if (builder->depth == MAX_DEPTH) {
		source_error(builder->source, node->offset, "lists and maps nested more than %d deep", MAX_DEPTH);
		return false;
	}
	builder->levels[builder->depth++] = (struct level){.node = node};
	return true;
}

static int compare_key(const void *a, const void *b)
{
	const struct node *const *x = a, *const *y = b;
	int order = strcmp((*x)->text, (*y)->text);

	return order ? order : (*x)->offset < (*y)->offset ? -1 : (*x)->offset > (*y)->offset;
}

/* Notes keys that occur twice and takes them out, with those that are no scalars. */
static void check_keys(struct builder *builder, struct node *map)
{
	struct node **keys = arena_array(builder->source->arena, map->count, sizeof(*keys)), **link = &map->first;
	size_t count = 0;

	for (struct node *key = map->first; key; key = key->next)
		if (key->kind == NODE_SCALAR)
			keys[count++] = key;
	qsort(keys, count, sizeof(*keys), compare_key);
	for (size_t i = 1, first = 0; i < count; i++) {
		if (strcmp(keys[first]->text, keys[i]->text) != 0) {
			first = i;
			continue;
		}
		source_error(builder->source, keys[i]->offset, "duplicate key '%.64s': it is already on line %zu",
			     keys[i]->text, source_line(builder->source, keys[first]->offset));
		keys[i]->kind = NODE_BAD;
	}
	while (*link) {
		if ((*link)->kind == NODE_SCALAR) {
			link = &(*link)->next;
		} else {
			*link = (*link)->next;
			map->count--;
		}
	}
}

static void close_level(struct builder *builder)
{
	struct node *node = builder->levels[--builder->depth].node;

	if (node->kind == NODE_MAP && node->count)
		check_keys(builder, node);
}

static bool add_alias(struct builder *builder, const struct fy_event *event)
{
	struct node *node = node_new(builder, NODE_BAD, token_offset(builder, event->alias.anchor));

	if (!node)
		return false;
	node->text = "";
	source_error(builder->source, node->offset, "YAML aliases (*name) are not supported: write the value out");
	place(builder, node);
	return true;
}

/* False when it is no use to go on. */
static bool take_event(struct builder *builder, const struct fy_event *event)
{
	size_t offset;

	switch (event->type) {
	case FYET_DOCUMENT_START:
		if (!builder->documents++)
			return true;
		offset = token_offset(builder, event->document_start.document_start);
		source_error(builder->source, offset == SOURCE_NOWHERE ? builder->position : offset,
			     "a second YAML document begins: put everything into one");
		return false;
	case FYET_SCALAR:
		return add_scalar(builder, event);
	case FYET_ALIAS:
		return add_alias(builder, event);
	case FYET_SEQUENCE_START:
		return open_level(builder, NODE_LIST, event->sequence_start.sequence_start, event->sequence_start.tag);
	case FYET_MAPPING_START:
		return open_level(builder, NODE_MAP, event->mapping_start.mapping_start, event->mapping_start.tag);
	case FYET_SEQUENCE_END:
	case FYET_MAPPING_END:
		close_level(builder);
		return true;
	case FYET_STREAM_END:
		builder->ended = true;
		return false;
	default:
		return true;
	}
}

/* The library saw the end of the file; what is wrong is where the bracket was opened. */
static size_t unclosed_offset(const struct builder *builder)
{
	for (size_t i = builder->depth; i-- > 0;) {
		size_t offset = builder->levels[i].node->offset;

		if (strchr("[{", builder->source->text[offset]))
			return offset;
	}
	return SOURCE_NOWHERE;
}

static void note_syntax_error(struct builder *builder)
{
	void *previous = NULL;
	struct fy_diag_error *error = fy_diag_errors_iterate(builder->diag, &previous);
	size_t offset = SOURCE_NOWHERE;

	if (!error) {
		source_error(builder->source, builder->position, "YAML syntax: this cannot be read");
		return;
	}
	if (strstr(error->msg, "without a closing bracket"))
		offset = unclosed_offset(builder);
	if (offset == SOURCE_NOWHERE)
		offset = source_offset(builder->source, (size_t)error->line, (size_t)error->column);
	source_error(builder->source, offset, "YAML syntax: %s", error->msg);
}

static void build(struct builder *builder)
{
	for (bool more = true; more;) {
		struct fy_event *event = fy_parser_parse(builder->parser);

		if (!event) {
			if (!builder->ended)
				note_syntax_error(builder);
			builder->root = NULL;
			return;
		}
		more = take_event(builder, event);
		fy_parser_event_free(builder->parser, event);
	}
	if (!builder->ended)
		builder->root = NULL;
	else if (!builder->root)
		source_error(builder->source, 0,
			     "the file holds nothing but comments: "
			     "'interfaces' and 'hash_key' are needed at least");
}

const struct node *tree_read(struct source *source)
{
	struct builder builder = {.source = source};
	const struct fy_diag_cfg diag_config = {.output_fn = discard, .level = FYET_ERROR, .module_mask = ~0U};
	struct fy_parse_cfg config = {.flags = FYPCF_QUIET | FYPCF_COLLECT_DIAG};

	if (!guard_admits(source))
		return NULL;
	builder.diag = fy_diag_create(&diag_config);
	fy_diag_set_collect_errors(builder.diag, true);
	config.diag = builder.diag;
	builder.parser = fy_parser_create(&config);
	if (!builder.diag || !builder.parser || fy_parser_set_string(builder.parser, source->text, source->size))
		source_error(source, SOURCE_NOWHERE, "the YAML library cannot be set up: out of memory?");
	else
		build(&builder);
	fy_parser_destroy(builder.parser);
	fy_diag_destroy(builder.diag);
	return builder.root;
}
