/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The store: what is put is there, once, as it was known then. Checksums are those of FIPS 180-4's examples.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "mi.h"

static char path[64];

static struct mi_store *fresh(void) {
    struct mi_store_options options = {.mode = MI_STORE_CREATE, .wait = 1};
    struct mi_store *store;
    char log[80];
    snprintf(path, sizeof path, "/tmp/mi-test-store.%ld", (long)getpid());
    unlink(path);
    snprintf(log, sizeof log, "%s-wal", path);
    unlink(log);
    assert_int_equal(mi_store_open(path, &options, &store, NULL), MI_OK);
    return store;
}

static void done(struct mi_store *store) {
    assert_int_equal(mi_store_check(store, NULL, NULL, NULL), MI_OK);
    mi_store_close(store);
    unlink(path);
}

static void begin(struct mi_store *store) {
    assert_int_equal(mi_store_put_begin(store, "test", NULL, NULL, NULL), MI_OK);
}

static void commit(struct mi_store *store) {
    assert_int_equal(mi_store_put_commit(store, NULL), MI_OK);
}

static enum mi_put put_cpa(struct mi_store *store, const char *campaign, int32_t made, double value) {
    enum mi_put outcome;
    struct mi_prediction prediction = {.campaign = mi_text_of(campaign),
                                       .metric = mi_text_of("cpa"),
                                       .made = made,
                                       .date = made,
                                       .horizon = 2,
                                       .spend = NAN,
                                       .value = value,
                                       .low = NAN,
                                       .high = value + 1};
    assert_int_equal(mi_store_put_prediction(store, &prediction, &outcome, NULL), MI_OK);
    return outcome;
}

static enum mi_put put_day(struct mi_store *store, const char *metric, int32_t date, double value) {
    enum mi_put outcome;
    struct mi_actual actual = {mi_text_of("a"), mi_text_of(metric), date, 1, value};
    assert_int_equal(mi_store_put_actual(store, &actual, &outcome, NULL), MI_OK);
    return outcome;
}

struct seen {
    size_t count;
    double value, actual, least, sum;
};

static enum mi_status see(void *context, const struct mi_stored_prediction *stored, struct mi_error *error) {
    (void)error;
    struct seen *seen = context;
    seen->count++;
    seen->value = stored->prediction.value;
    seen->actual = stored->actual;
    seen->least = stored->actual_least;
    seen->sum += stored->prediction.value;
    return MI_OK;
}

static struct seen look(struct mi_store *store, const char *campaign) {
    struct seen seen = {0};
    struct mi_store_query query = {.campaign = mi_text_of(campaign),
                                   .from = MI_DATE_MISSING,
                                   .to = MI_DATE_MISSING,
                                   .known = INT64_MAX,
                                   .outcomes = true};
    assert_int_equal(mi_store_each_prediction(store, &query, see, &seen, NULL), MI_OK);
    return seen;
}

static void test_once(void **state) {
    (void)state;
    struct mi_store *store = fresh();
    begin(store);
    assert_int_equal(put_cpa(store, "a", 10, 5), MI_PUT_NEW);
    assert_int_equal(put_cpa(store, "a", 10, 5), MI_PUT_SAME);
    assert_int_equal(put_cpa(store, "a", 10, 6), MI_PUT_CONTRADICTS);
    assert_int_equal(put_cpa(store, "a", 9, 4), MI_PUT_NEW);
    commit(store);
    begin(store);
    assert_int_equal(put_cpa(store, "a", 10, 5), MI_PUT_SAME);
    assert_int_equal(put_cpa(store, "a", 9, 7), MI_PUT_REVISED);
    assert_int_equal(put_cpa(store, "a", 11, 8), MI_PUT_NEW);
    assert_int_equal(put_cpa(store, "a", 11, 8), MI_PUT_SAME);
    commit(store);
    struct seen seen = look(store, "a");
    assert_int_equal(seen.count, 3);
    assert_true(seen.sum == 5 + 7 + 8);
    done(store);
}

/* A put that is given up leaves nothing, neither rows nor the names that it brought. */
static void test_abort(void **state) {
    (void)state;
    struct mi_store *store = fresh();
    begin(store);
    assert_int_equal(put_cpa(store, "a", 10, 5), MI_PUT_NEW);
    mi_store_put_abort(store);
    assert_int_equal(look(store, NULL).count, 0);
    begin(store);
    assert_int_equal(put_cpa(store, "b", 10, 5), MI_PUT_NEW);
    assert_int_equal(put_cpa(store, "a", 10, 6), MI_PUT_NEW);
    commit(store);
    assert_int_equal(look(store, NULL).count, 2);
    assert_true(look(store, "a").value == 6);
    struct mi_error error;
    enum mi_put outcome;
    struct mi_actual actual = {mi_text_of("a"), mi_text_of("spend"), 1, 1, 1};
    assert_int_equal(mi_store_put_actual(store, &actual, &outcome, &error), MI_BAD_ARGUMENT);
    done(store);
}

/* An outcome follows from its days once all are known; a revision takes the place of what was before. */
static void test_outcomes(void **state) {
    (void)state;
    struct mi_store *store = fresh();
    begin(store);
    put_cpa(store, "a", 10, 5);
    put_day(store, "spend", 10, 60);
    put_day(store, "users", 10, 4);
    put_day(store, "spend", 11, 40);
    commit(store);
    assert_true(isnan(look(store, "a").actual));
    begin(store);
    assert_int_equal(put_day(store, "users", 11, 6), MI_PUT_NEW);
    commit(store);
    assert_true(look(store, "a").actual == 10);
    begin(store);
    assert_int_equal(put_day(store, "users", 11, 16), MI_PUT_REVISED);
    commit(store);
    assert_true(look(store, "a").actual == 5);
    assert_true(isnan(look(store, "a").least));
    /* Money that won nobody: no CPA, but one above what was spent; no money, no bound. */
    begin(store);
    put_day(store, "users", 10, 0);
    put_day(store, "users", 11, 0);
    commit(store);
    assert_true(isnan(look(store, "a").actual) && look(store, "a").least == 100);
    begin(store);
    put_day(store, "spend", 10, 0);
    put_day(store, "spend", 11, 0);
    commit(store);
    assert_true(isnan(look(store, "a").actual) && isnan(look(store, "a").least));
    done(store);
}

static enum mi_status take_version(void *context, const struct mi_stored_model *model,
                                   struct mi_error *error) {
    (void)error;
    *(uint64_t *)context = model->version;
    return MI_OK;
}

static uint64_t in_production(struct mi_store *store) {
    uint64_t version = 0;
    mi_store_model_find(store, "m/production", take_version, &version, NULL);
    return version;
}

/* Any order of promotions and rollbacks: a rollback goes to what was there before, as a stack has it. */
static void test_stages(void **state) {
    (void)state;
    struct mi_store *store = fresh();
    for (int i = 1; i <= 4; i++) {
        char file[32];
        uint64_t version;
        bool added;
        snprintf(file, sizeof file, "model %d", i);
        struct mi_stored_model model = {.name = mi_text_of("m"), .file = mi_text_of(file)};
        begin(store);
        assert_int_equal(mi_store_model_add(store, &model, &version, &added, NULL), MI_OK);
        assert_true(added && version == (uint64_t)i);
        assert_int_equal(mi_store_model_add(store, &model, &version, &added, NULL), MI_OK);
        assert_true(!added && version == (uint64_t)i);
        commit(store);
    }
    uint64_t stack[64] = {0};
    size_t top = 0;
    unsigned random = 7;
    for (int i = 0; i < 60; i++) {
        random = random * 1103515245 + 12345;
        uint64_t version = random / 65536 % 4 + 1;
        begin(store);
        if (random / 1048576 % 3 == 0 && top > 1) {
            assert_int_equal(mi_store_model_rollback(store, "m", NULL), MI_OK);
            top--;
        } else if (top == 0 || stack[top - 1] != version) {
            char reference[32];
            snprintf(reference, sizeof reference, "@m/%d", (int)version);
            assert_int_equal(mi_store_model_promote(store, reference, MI_STAGE_PRODUCTION, NULL), MI_OK);
            stack[top++] = version;
        }
        commit(store);
        assert_int_equal(in_production(store), stack[top - 1]);
    }
    done(store);
}

static void test_alerts_and_actions(void **state) {
    (void)state;
    struct mi_store *store = fresh();
    struct mi_alert alert = {
        .campaign = mi_text_of("a"), .metric = mi_text_of("cpa"), .opened = 5, .seen = 5};
    bool raised;
    int64_t closed;
    begin(store);
    assert_int_equal(mi_store_alert_raise(store, &alert, &raised, NULL), MI_OK);
    assert_true(raised);
    alert.seen = 6;
    assert_int_equal(mi_store_alert_raise(store, &alert, &raised, NULL), MI_OK);
    assert_false(raised);
    assert_int_equal(mi_store_alert_close(store, alert.campaign, alert.metric, 7, &closed, NULL), MI_OK);
    assert_int_equal(closed, alert.id);
    assert_int_equal(mi_store_alert_close(store, alert.campaign, alert.metric, 8, &closed, NULL), MI_OK);
    assert_int_equal(closed, 0);
    int64_t first = alert.id;
    assert_int_equal(mi_store_alert_raise(store, &alert, &raised, NULL), MI_OK);
    assert_true(raised && alert.id != first);
    struct mi_action action = {.alert = first,
                               .campaign = mi_text_of("a"),
                               .kind = mi_text_of("reduce_budget"),
                               .field = mi_text_of("daily_budget"),
                               .before = 100,
                               .after = 85,
                               .day = 7};
    assert_int_equal(mi_store_action_add(store, &action, NULL), MI_OK);
    struct mi_action undo = {.campaign = action.campaign, .before = 85, .after = 100, .undoes = action.id};
    assert_int_equal(mi_store_action_add(store, &undo, NULL), MI_OK);
    assert_int_not_equal(mi_store_action_add(store, &undo, NULL), MI_OK);
    commit(store);
    done(store);
}

static void test_checksum(void **state) {
    (void)state;
    char out[65];
    mi_checksum(mi_text_of("abc"), out);
    assert_string_equal(out, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    mi_checksum(mi_text_of(""), out);
    assert_string_equal(out, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    mi_checksum(mi_text_of("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"), out);
    assert_string_equal(out, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    char *million = malloc(1000000);
    assert_non_null(million);
    memset(million, 'a', 1000000);
    mi_checksum((struct mi_text){million, 1000000}, out);
    assert_string_equal(out, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    free(million);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_once),
        cmocka_unit_test(test_abort),
        cmocka_unit_test(test_outcomes),
        cmocka_unit_test(test_stages),
        cmocka_unit_test(test_alerts_and_actions),
        cmocka_unit_test(test_checksum),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
