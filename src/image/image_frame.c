/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Function boundaries from unwind tables, which survive stripping. Two ways in:
 *
 *   PT_GNU_EH_FRAME   .eh_frame_hdr: a sorted table {function, its FDE}
 *   .eh_frame         one record after another; static programs have no table
 *
 * An FDE says where a function starts and how long it is, in an encoding that its CIE's
 * augmentation names. Formats: LSB Core, "Exception Frames"; pointer encodings are its
 * table of DW_EH_PE values.
 */
#include "base/cursor.h"
#include "image/image_int.h"

#include <stdlib.h>

enum pointer_encoding { /* low 4 bits: form; next 3: what it is relative to */
			FORM_ABSOLUTE = 0,
			FORM_U16 = 2,
			FORM_U32 = 3,
			FORM_U64 = 4,
			FORM_S16 = 10,
			FORM_S32 = 11,
			FORM_S64 = 12,
			FORM_MASK = 0x0f,
			BASE_PC = 0x10,
			BASE_DATA = 0x30,
			BASE_MASK = 0x70,
			ENCODING_INDIRECT = 0x80,
};

/* Bytes at an address: a cursor that knows where it is. */
struct place {
	struct cursor c;
	const uint8_t *start;
	uint64_t vaddr;
};

static uint64_t place_now(const struct place *p)
{
	return p->vaddr + (uint64_t)(p->c.at - p->start);
}

static bool place_at(const struct image *img, uint64_t vaddr, struct place *p)
{
	uint64_t have = 0;
	const uint8_t *bytes = image_rest(img, vaddr, &have);

	if (!bytes)
		return false;
	*p = (struct place){ cursor_on(bytes, have), bytes, vaddr };
	return true;
}

static uint64_t read_form(struct cursor *c, uint8_t encoding)
{
	switch (encoding & FORM_MASK) {
	case FORM_U16:
		return cursor_u16(c);
	case FORM_S16:
		return (uint64_t)(int16_t)cursor_u16(c);
	case FORM_U32:
		return cursor_u32(c);
	case FORM_S32:
		return (uint64_t)(int32_t)cursor_u32(c);
	case FORM_ABSOLUTE:
	case FORM_U64:
	case FORM_S64:
		return cursor_u64(c);
	default: /* LEB128 pointers: no compiler makes them */
		c->bad = true;
		return 0;
	}
}

static uint64_t read_pointer(struct place *p, uint8_t encoding, uint64_t data)
{
	uint64_t here = place_now(p), value = read_form(&p->c, encoding);

	switch (encoding & (BASE_MASK | ENCODING_INDIRECT)) {
	case 0:
		return value;
	case BASE_PC:
		return here + value;
	case BASE_DATA:
		return data + value;
	default:
		p->c.bad = true;
		return 0;
	}
}

static void skip_leb128(struct cursor *c)
{
	while (cursor_u8(c) & 0x80)
		continue;
}

/* ---- records of .eh_frame ---- */

/* A record's length and its body, at most to the end of the segment. False: the end. */
static bool record_at(const struct image *img, uint64_t vaddr, struct place *body,
		      uint64_t *next)
{
	uint64_t length;

	if (!place_at(img, vaddr, body))
		return false;
	length = cursor_u32(&body->c);
	if (length == UINT32_MAX)
		length = cursor_u64(&body->c);
	if (!cursor_ok(&body->c) || length == 0 || length > cursor_left(&body->c))
		return false;
	body->c.end = body->c.at + length;
	*next = place_now(body) + length;
	return true;
}

/* The pointer encoding of a CIE's FDEs, from its augmentation ("zR", "zPLR", ...). */
static bool cie_encoding(const struct image *img, uint64_t vaddr, uint8_t *encoding)
{
	struct place p;
	uint64_t next;
	char letters[8];
	size_t n = 0;
	uint8_t version;

	*encoding = FORM_ABSOLUTE;
	if (!record_at(img, vaddr, &p, &next) || cursor_u32(&p.c) != 0)
		return false;
	version = cursor_u8(&p.c);
	while ((letters[n] = (char)cursor_u8(&p.c)) != 0)
		if (++n == countof(letters))
			return false;
	skip_leb128(&p.c); /* code alignment */
	skip_leb128(&p.c); /* data alignment */
	if (version == 1)
		cursor_u8(&p.c); /* return address register */
	else
		skip_leb128(&p.c);
	if (letters[0] == 'z')
		skip_leb128(&p.c); /* augmentation length */
	for (size_t i = 1; i < n; i++) {
		if (letters[i] == 'R') {
			*encoding = cursor_u8(&p.c);
			return cursor_ok(&p.c);
		}
		if (letters[i] == 'L')
			cursor_u8(&p.c);
		if (letters[i] == 'P')
			read_form(&p.c, cursor_u8(&p.c));
	}
	return cursor_ok(&p.c);
}

struct frame_reader {
	const struct image *img;
	uint64_t cie; /* of the last FDE; functions of a file share a few */
	uint8_t encoding;
	bool has_cie;
	struct image_function *functions;
	size_t n, cap;
};

static void reader_add(struct frame_reader *r, uint64_t vaddr, uint64_t size)
{
	if (r->n == r->cap) {
		r->cap = r->cap ? 2 * r->cap : 256;
		r->functions = xrealloc(r->functions, r->cap, sizeof(*r->functions));
	}
	r->functions[r->n++] = (struct image_function){ vaddr, size };
}

/* Takes the record at vaddr if it is an FDE; false: there is no record. */
static bool read_record(struct frame_reader *r, uint64_t vaddr, uint64_t *next)
{
	struct place p;
	uint64_t id_at, id, start, size;

	if (!record_at(r->img, vaddr, &p, next))
		return false;
	id_at = place_now(&p);
	id = cursor_u32(&p.c);
	if (!cursor_ok(&p.c) || id == 0)
		return true; /* a CIE */
	if (!r->has_cie || r->cie != id_at - id) {
		r->has_cie = cie_encoding(r->img, id_at - id, &r->encoding);
		r->cie = id_at - id;
	}
	if (!r->has_cie)
		return true;
	start = read_pointer(&p, r->encoding, 0);
	size = read_form(&p.c, r->encoding);
	if (cursor_ok(&p.c) && size > 0 && size <= UINT64_MAX - start)
		reader_add(r, start, size);
	return true;
}

/* ---- ways in ---- */

static bool read_by_header(struct frame_reader *r)
{
	const Elf64_Phdr *h = &r->img->frames;
	const uint8_t *bytes = NULL;
	uint8_t version, frame, count, table;
	struct place p;
	uint64_t n, next;

	if (h->p_type == PT_GNU_EH_FRAME)
		bytes = image_load(r->img, h->p_offset, h->p_filesz);
	if (!bytes)
		return false;
	p = (struct place){ cursor_on(bytes, h->p_filesz), bytes, h->p_vaddr };
	version = cursor_u8(&p.c);
	frame = cursor_u8(&p.c), count = cursor_u8(&p.c), table = cursor_u8(&p.c);
	read_pointer(&p, frame, h->p_vaddr);
	n = read_pointer(&p, count, h->p_vaddr);
	if (!cursor_ok(&p.c) || version != 1)
		return false;
	for (uint64_t i = 0; i < n; i++) {
		uint64_t fde;

		read_pointer(&p, table, h->p_vaddr); /* the FDE says it too */
		fde = read_pointer(&p, table, h->p_vaddr);
		if (!cursor_ok(&p.c))
			break;
		(void)read_record(r, fde, &next);
	}
	return r->n > 0;
}

static void read_by_section(struct frame_reader *r)
{
	Elf64_Shdr s;
	uint64_t at, end, next = 0;

	if (!image_section(r->img, ".eh_frame", &s) || s.sh_type == SHT_NOBITS ||
	    s.sh_size > UINT64_MAX - s.sh_addr)
		return;
	end = s.sh_addr + s.sh_size;
	for (at = s.sh_addr; at < end && read_record(r, at, &next); at = next)
		continue;
}

static int by_start(const void *a, const void *b)
{
	const struct image_function *left = a, *right = b;

	if (left->vaddr != right->vaddr)
		return left->vaddr < right->vaddr ? -1 : 1;
	return (left->size > right->size) - (left->size < right->size);
}

static size_t unique(struct image_function *f, size_t n)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++)
		if (kept == 0 || f[i].vaddr != f[kept - 1].vaddr)
			f[kept++] = f[i];
	return kept;
}

size_t image_functions(const struct image *img, const struct image_function **out)
{
	struct image_lazy *lazy = img->lazy;

	if (!lazy->has_functions) {
		struct frame_reader r = { .img = img };

		if (!read_by_header(&r))
			read_by_section(&r);
		if (r.n > 0)
			qsort(r.functions, r.n, sizeof(*r.functions), by_start);
		lazy->functions = r.functions;
		lazy->nfunctions = unique(r.functions, r.n);
		lazy->has_functions = true;
	}
	*out = lazy->functions;
	return lazy->nfunctions;
}
