/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The loop of a filter: input and output by the common options, row by row.
 */
#include "common/program.h"

enum mi_status stream_open(struct stream *stream, bool whole, struct mi_error *error) {
    struct mi_reader_options options = {
        .format = (enum mi_format)common.input_format,
        .maps = common.maps.items,
        .map_count = common.maps.count,
        .rejects = common.rejects,
        .whole = whole,
        .notes = common_notes(),
    };
    return mi_reader_open(common.input, &options, &stream->reader, error);
}

enum mi_status stream_output(struct stream *stream, bool passing, struct mi_error *error) {
    enum mi_format format = (enum mi_format)common.output_format;
    struct mi_writer_options options = {
        .format = format,
        .keep = common.keep,
        .columns = common.columns,
        .notes = common_notes(),
    };
    if (format == MI_FORMAT_AUTO && stream->reader)
        options.format = mi_reader_format(stream->reader);
    return mi_writer_open(common.output, passing ? stream->reader : NULL, &options, &stream->writer, error);
}

enum mi_status stream_close(struct stream *stream, enum mi_status status, struct mi_error *error) {
    bool well = status == MI_OK || status == MI_NO;
    if (well && stream->reader) {
        enum mi_status finished = mi_reader_finish(stream->reader, error);
        well = finished == MI_OK;
        status = well ? status : finished;
    }
    if (stream->writer && well) {
        enum mi_status closed = mi_writer_close(stream->writer, error);
        status = closed ? closed : status;
    } else if (stream->writer) {
        mi_writer_abort(stream->writer);
    }
    mi_reader_close(stream->reader);
    *stream = (struct stream){0};
    return status;
}

enum mi_status stream_each_row(struct stream *stream, row_function *row, void *context,
                               struct mi_error *error) {
    struct mi_batch *batch;
    enum mi_status status;
    while ((status = mi_reader_next(stream->reader, &batch, error)) == MI_OK) {
        size_t rows = mi_batch_rows(batch);
        for (size_t i = 0; i < rows; i++) {
            status = row(context, stream, batch, i, error);
            if (status == MI_BAD_RECORD)
                status = mi_reader_reject(stream->reader, batch, i, error);
            if (status)
                return status;
        }
        status = stream->writer ? mi_writer_flush(stream->writer, error) : MI_OK;
        if (status)
            return status;
    }
    return status == MI_END ? MI_OK : status;
}

enum mi_status table_open(const char *path, struct mi_reader **reader, struct mi_batch **batch,
                          struct mi_error *error) {
    struct mi_reader_options options = {
        .maps = common.maps.items,
        .map_count = common.maps.count,
        .whole = true,
        .notes = common_notes(),
    };
    enum mi_status status = mi_reader_open(path, &options, reader, error);
    if (!status)
        status = mi_reader_next(*reader, batch, error);
    return status == MI_END ? MI_OK : status;
}
