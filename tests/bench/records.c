/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * usage: records csv|ndjson ROWS SEED
 *        records libcsv < CSV
 *
 * For bench-records: campaign days in 12 columns, 115 bytes a row as CSV and 245 as NDJSON, a quarter of the
 * names in quotes; and the peer that a C programmer would write, libcsv in its strict mode around unlocked
 * stdio, which parses and writes again what it parsed, without computing anything.
 */
#define _GNU_SOURCE

#include <csv.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* xorshift64* */
static uint64_t state;

static uint64_t below(uint64_t limit) {
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return ((state * 0x2545f4914f6cdd1du) >> 32) % limit;
}

#define PICK(words) words[below(sizeof words / sizeof *words)]

struct day {
    unsigned long campaign, day, clicks, impressions, users;
    unsigned month;
    double spend, ltv;
    const char *network, *geo, *os, *creative, *strategy;
    unsigned name; /* 0 to 3: in quotes for a comma, 4: for a quote */
};

static struct day make_day(void) {
    static const char *const networks[] = {"facebook",     "google", "tiktok",
                                           "apple_search", "unity",  "applovin"};
    static const char *const geos[] = {"US", "DE", "FR", "JP", "BR", "GB", "CA"};
    static const char *const systems[] = {"ios", "android"};
    static const char *const creatives[] = {"video", "image", "playable", "carousel"};
    static const char *const strategies[] = {"lookalike_1pct", "interest", "broad", "retargeting"};
    struct day day = {.campaign = below(100000),
                      .day = 1 + below(28),
                      .month = 1 + (unsigned)below(12),
                      .impressions = 1000 + below(900000),
                      .clicks = 10 + below(9000),
                      .users = 1 + below(900),
                      .spend = (double)(100 + below(2000000)) / 100,
                      .ltv = (double)(100 + below(9900)) / 100,
                      .network = PICK(networks),
                      .geo = PICK(geos),
                      .os = PICK(systems),
                      .creative = PICK(creatives),
                      .strategy = PICK(strategies),
                      .name = (unsigned)below(20)};
    return day;
}

static void put_csv(const struct day *day) {
    const char *quote = day->name < 5 ? "\"" : "";
    printf("c%06lu,2026-%02u-%02lu,%s,%s%s %s%s %s %06lu%s,%s,%s,%s,%lu,%lu,%.2f,%lu,%.2f\n", day->campaign,
           day->month, day->day, day->network, quote, day->strategy,
           day->name < 4    ? "2026, "
           : day->name == 4 ? "\"\"new\"\" "
                            : "2026 ",
           day->geo, day->creative, day->campaign, quote, day->geo, day->os, day->creative, day->impressions,
           day->clicks, day->spend, day->users, day->ltv);
}

static void put_ndjson(const struct day *day) {
    printf(
        "{\"campaign_id\":\"c%06lu\",\"date\":\"2026-%02u-%02lu\",\"ad_network\":\"%s\",\"name\":\"%s %s%s "
        "%s "
        "%06lu\",\"geo\":\"%s\",\"os\":\"%s\",\"creative_format\":\"%s\",\"impressions\":%lu,\"clicks\":%lu,"
        "\"spend\":%.2f,\"num_users\":%lu,\"predicted_ltv\":%.2f}\n",
        day->campaign, day->month, day->day, day->network, day->strategy,
        day->name < 4    ? "2026, "
        : day->name == 4 ? "\\\"new\\\" "
                         : "2026 ",
        day->geo, day->creative, day->campaign, day->geo, day->os, day->creative, day->impressions,
        day->clicks, day->spend, day->users, day->ltv);
}

static int generate(int csv, unsigned long rows, uint64_t seed) {
    state = seed * 0x9e3779b97f4a7c15u + 1;
    if (csv) {
        puts("campaign_id,date,ad_network,name,geo,os,creative_format,impressions,clicks,spend,num_users,"
             "predicted_ltv");
    }
    for (; rows > 0; rows--) {
        struct day day = make_day();
        if (csv) {
            put_csv(&day);
        } else {
            put_ndjson(&day);
        }
    }
    return fflush(stdout) == 0 ? 0 : 2;
}

/* ---- the peer ---- */

static int first = 1;

static void take_field(void *data, size_t size, void *unused) {
    const char *field = data;
    (void)unused;
    if (!first) {
        putc_unlocked(',', stdout);
    }
    first = 0;
    int quoted = 0;
    for (size_t i = 0; i < size && !quoted; i++) {
        quoted = field[i] == ',' || field[i] == '"' || field[i] == '\n' || field[i] == '\r';
    }
    if (!quoted) {
        fwrite_unlocked(field, 1, size, stdout);
        return;
    }
    putc_unlocked('"', stdout);
    for (size_t i = 0; i < size; i++) {
        if (field[i] == '"') {
            putc_unlocked('"', stdout);
        }
        putc_unlocked(field[i], stdout);
    }
    putc_unlocked('"', stdout);
}

static void take_row(int byte, void *unused) {
    (void)byte;
    (void)unused;
    putc_unlocked('\n', stdout);
    first = 1;
}

static int rewrite(void) {
    static char buffer[1 << 18], out[1 << 16];
    struct csv_parser parser;
    size_t got;
    setvbuf(stdout, out, _IOFBF, sizeof out);
    if (csv_init(&parser, CSV_STRICT | CSV_STRICT_FINI) != 0) {
        return 2;
    }
    while ((got = fread_unlocked(buffer, 1, sizeof buffer, stdin)) > 0) {
        if (csv_parse(&parser, buffer, got, take_field, take_row, NULL) != got) {
            return 2;
        }
    }
    int bad = csv_fini(&parser, take_field, take_row, NULL);
    csv_free(&parser);
    return bad != 0 || fflush(stdout) != 0 ? 2 : 0;
}

int main(int argc, char **argv) {
    if (argc == 2 && strcmp(argv[1], "libcsv") == 0) {
        return rewrite();
    }
    if (argc != 4) {
        fputs("usage: records csv|ndjson ROWS SEED | records libcsv\n", stderr);
        return 2;
    }
    return generate(strcmp(argv[1], "csv") == 0, strtoul(argv[2], NULL, 10), strtoull(argv[3], NULL, 10));
}
