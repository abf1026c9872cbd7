/* SPDX-License-Identifier: Apache-2.0 */
#include "out/out.h"

#include "base/utf8.h"

void wrap_words(struct wrap *w, struct str text)
{
	for (size_t at = 0; at < text.n;) {
		struct str word = { text.s + at, 0 };
		unsigned width;

		while (at + word.n < text.n && word.s[word.n] != ' ')
			word.n++;
		width = utf8_str_width(word);
		if (w->at > w->indent && w->width && w->at + 1 + width > w->width)
			wrap_line(w);
		else if (w->at > w->indent)
			wrap_add(w, str_of(" "));
		wrap_add(w, word);
		for (at += word.n; at < text.n && text.s[at] == ' ';)
			at++;
	}
}

void wrap_add(struct wrap *w, struct str text)
{
	sink_add(w->out, text.s, text.n);
	w->at += utf8_str_width(text);
}

void wrap_line(struct wrap *w)
{
	sink_char(w->out, '\n');
	sink_spaces(w->out, w->indent);
	w->at = w->indent;
}
