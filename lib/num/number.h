/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Numbers into buffers.
 */
#ifndef MI_NUM_NUMBER_H
#define MI_NUM_NUMBER_H

#include "base/buffer.h"

/* Appends mi_number_format(). */
void mi_buffer_number(struct mi_buffer *buffer, double value);

#endif
