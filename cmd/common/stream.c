/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The loop of a filter: input and output by the common options, row by row.
 */
#include "common/program.h"

#include <string.h>

struct mi_reader_options common_reading(void) {
    return (struct mi_reader_options){
        .maps = common.maps.items,
        .map_count = common.maps.count,
        .map_use = common.map_use,
        .notes = common_notes(),
    };
}

enum mi_status stream_open(struct stream *stream, bool whole, struct mi_error *error) {
    struct mi_reader_options options = common_reading();
    options.format = (enum mi_format)common.input_format;
    options.rejects = common.rejects;
    options.whole = whole;
    return mi_reader_open(common.input, &options, &stream->reader, error);
}

enum mi_status stream_output(struct stream *stream, bool passing, struct mi_error *error) {
    enum mi_format format = (enum mi_format)common.output_format;
    if (common.output && common.rejects && strcmp(common.output, common.rejects) == 0 &&
        strncmp(common.output, "/dev/", 5) != 0)
        return mi_error_set(error, MI_BAD_ARGUMENT, "--output and --rejects name one file: \"%s\"",
                            common.output);
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

/* A --map that found nothing would leave a column at its default. */
static enum mi_status check_maps(struct mi_error *error) {
    for (size_t i = 0; i < common.maps.count; i++) {
        const char *map = common.maps.items[i];
        if (!(common.map_use[i] & MI_MAP_ASKED))
            note("--map %s: '%.*s' is not read here", map, (int)strcspn(map, "="), map);
        else if (!(common.map_use[i] & MI_MAP_THERE))
            return mi_error_set(error, MI_BAD_INPUT, "--map %s: there is no column '%s'", map,
                                map + strcspn(map, "=") + 1);
    }
    return MI_OK;
}

enum mi_status stream_close(struct stream *stream, enum mi_status status, struct mi_error *error) {
    bool well = status == MI_OK || status == MI_NO;
    if (well && stream->reader) {
        enum mi_status finished = check_maps(error);
        if (!finished)
            finished = mi_reader_finish(stream->reader, error);
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

void write_cell(struct mi_writer *writer, size_t slot, struct mi_text text) {
    char canonical[MI_NUMBER_LENGTH];
    double value;
    if (mi_number_parse(text, &value) &&
        mi_text_equal(text, (struct mi_text){canonical, mi_number_format(value, canonical)}))
        mi_writer_number(writer, slot, value);
    else if (text.data)
        mi_writer_text(writer, slot, text);
}

enum mi_status table_open(const char *path, struct mi_reader **reader, struct mi_batch **batch,
                          struct mi_error *error) {
    return table_open_content(path, (struct mi_text){NULL, 0}, reader, batch, error);
}

enum mi_status table_open_content(const char *path, struct mi_text content, struct mi_reader **reader,
                                  struct mi_batch **batch, struct mi_error *error) {
    struct mi_reader_options options = common_reading();
    options.whole = true;
    options.content = content;
    enum mi_status status = mi_reader_open(path, &options, reader, error);
    if (!status)
        status = mi_reader_next(*reader, batch, error);
    return status == MI_END ? MI_OK : status;
}
