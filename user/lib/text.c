/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "lib/text.h"

#include <linux/types.h>
#include <string.h>

static size_t lead_byte_length(unsigned char lead)
{
	if (lead < 0x80)
		return 1;
	if ((lead & 0xe0) == 0xc0)
		return 2;
	if ((lead & 0xf0) == 0xe0)
		return 3;
	return (lead & 0xf8) == 0xf0 ? 4 : 0;
}

size_t text_utf8_length(const char *text, size_t left)
{
	static const __u32 least[] = {0, 0, 0x80, 0x800, 0x10000};
	const unsigned char *s = (const unsigned char *)text;
	size_t length = left ? lead_byte_length(s[0]) : 0;
	__u32 code;

	if (length <= 1)
		return length;
	if (length > left)
		return 0;
	code = s[0] & (0xff >> length);
	for (size_t i = 1; i < length; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (s[i] & 0x3f);
	}
	if (code < least[length] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
		return 0;
	return length;
}

bool text_is_control(const char *text, size_t length)
{
	const unsigned char *s = (const unsigned char *)text;

	return length == 1 ? s[0] < 0x20 || s[0] == 0x7f : length == 2 && s[0] == 0xc2 && s[1] < 0xa0;
}

size_t text_clean(char *to, size_t room, const char *from, size_t length)
{
	size_t used = 0;

	for (size_t i = 0, step; i < length; i += step) {
		size_t good = text_utf8_length(from + i, length - i);
		bool replaced = !good || text_is_control(from + i, good);

		step = good ? good : 1;
		if (used + (replaced ? 1 : step) >= room)
			break;
		if (replaced) {
			to[used++] = good ? ' ' : '?';
		} else {
			memcpy(to + used, from + i, step);
			used += step;
		}
	}
	to[used] = '\0';
	return used;
}

char *text_date(time_t when, char text[static TEXT_DATE])
{
	struct tm utc;

	if (!gmtime_r(&when, &utc) || !strftime(text, TEXT_DATE, "%Y-%m-%dT%H:%M:%SZ", &utc))
		*text = '\0';
	return text;
}
