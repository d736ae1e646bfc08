/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The one word on memory that is not there.
 */
#ifndef MI_BASE_MEMORY_H
#define MI_BASE_MEMORY_H

#include "mi.h"

enum mi_status mi_no_memory(struct mi_error *error);

#endif
