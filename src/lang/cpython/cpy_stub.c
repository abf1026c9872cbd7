/* SPDX-License-Identifier: Apache-2.0 */
/* Stands in for what is not built yet; each function goes when its file comes. */
#include "lang/cpython/cpy_int.h"

/* rules to come */
const struct cpy_rules cpy_set_rules[] = { { 0 } };
const struct cpy_rules cpy_sequence_rules[] = { { 0 } };
const struct cpy_rules cpy_bytes_rules[] = { { 0 } };
const struct cpy_rules cpy_number_rules[] = { { 0 } };
const struct cpy_rules cpy_function_rules[] = { { 0 } };
const struct cpy_rules cpy_typeobject_rules[] = { { 0 } };
const struct cpy_rules cpy_module_rules[] = { { 0 } };
const struct cpy_rules cpy_exception_rules[] = { { 0 } };
const struct cpy_rules cpy_iterator_rules[] = { { 0 } };
const struct cpy_rules cpy_misc_rules[] = { { 0 } };

/* cpy_library.c */
const struct cpy_rules cpy_library_rules[] = { { 0 } };
