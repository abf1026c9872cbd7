/* SPDX-License-Identifier: Apache-2.0 */
/* Stands in for what is not built yet; each function goes when its file comes. */
#include "lang/cpython/cpy_int.h"

/* cpy_library.c */
const struct cpy_rules cpy_library_rules[] = { { 0 } };
