/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * ISO 8601 dates as days since 1970-01-01. The calendar arithmetic counts years from March, so that the leap
 * day is the last of its year (proleptic Gregorian calendar).
 */
#include "mi.h"

static bool digits(struct mi_text text, size_t at, size_t count, int *value) {
    if (at + count > text.size) {
        return false;
    }
    int sum = 0;
    for (size_t i = at; i < at + count; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') {
            return false;
        }
        sum = sum * 10 + (text.data[i] - '0');
    }
    *value = sum;
    return true;
}

static bool leap(int year) {
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static int month_length(int year, int month) {
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return month == 2 && leap(year) ? 29 : lengths[month - 1];
}

static int32_t days_of(int year, int month, int day) {
    int y = year - (month <= 2);
    int era = (y >= 0 ? y : y - 399) / 400;
    int year_of_era = y - era * 400;
    int day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return (int32_t)(era * 146097 + day_of_era - 719468);
}

/* A time of day behind the date: hh:mm[:ss[.fraction]] and Z, +hh:mm or nothing. *shift: seconds to add for
 * UTC. */
static bool time_parse(struct mi_text text, size_t at, int *shift) {
    int hour, minute, second = 0;
    if (!digits(text, at, 2, &hour) || at + 2 >= text.size || text.data[at + 2] != ':' ||
        !digits(text, at + 3, 2, &minute) || hour > 24 || minute > 59) {
        return false;
    }
    at += 5;
    if (at < text.size && text.data[at] == ':') {
        if (!digits(text, at + 1, 2, &second) || second > 60) {
            return false;
        }
        at += 3;
        if (at < text.size && text.data[at] == '.') {
            size_t start = ++at;
            while (at < text.size && text.data[at] >= '0' && text.data[at] <= '9') {
                at++;
            }
            if (at == start) {
                return false;
            }
        }
    }
    if (hour == 24 && (minute > 0 || second > 0)) {
        return false;
    }
    int offset = 0;
    if (at < text.size && text.data[at] == 'Z') {
        at++;
    } else if (at < text.size && (text.data[at] == '+' || text.data[at] == '-')) {
        int hours, minutes = 0;
        int sign = text.data[at] == '+' ? 1 : -1;
        if (!digits(text, at + 1, 2, &hours) || hours > 14) {
            return false;
        }
        at += 3;
        if (at < text.size) {
            at += text.data[at] == ':';
            if (!digits(text, at, 2, &minutes) || minutes > 59) {
                return false;
            }
            at += 2;
        }
        offset = sign * (hours * 3600 + minutes * 60);
    }
    *shift = hour * 3600 + minute * 60 + second - offset;
    return at == text.size;
}

bool mi_date_parse(struct mi_text text, int32_t *days) {
    int year, month, day, seconds = 0;
    if (!digits(text, 0, 4, &year) || !digits(text, 5, 2, &month) || !digits(text, 8, 2, &day) ||
        text.data[4] != '-' || text.data[7] != '-' || month < 1 || month > 12 || day < 1 ||
        day > month_length(year, month)) {
        return false;
    }
    if (text.size > 10 &&
        ((text.data[10] != 'T' && text.data[10] != ' ') || !time_parse(text, 11, &seconds))) {
        return false;
    }
    int32_t date = days_of(year, month, day) + (seconds < 0 ? -1 : seconds / 86400);
    if (date < days_of(0, 1, 1) || date > days_of(9999, 12, 31)) {
        return false; /* the offset led out of the years that can be written */
    }
    *days = date;
    return true;
}

void mi_date_format(int32_t days, char *out) {
    int64_t z = (int64_t)days + 719468;
    int64_t era = (z >= 0 ? z : z - 146096) / 146097;
    int day_of_era = (int)(z - era * 146097);
    int year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int shifted_month = (5 * day_of_year + 2) / 153;
    int day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    int month = shifted_month + (shifted_month < 10 ? 3 : -9);
    int year = (int)(year_of_era + era * 400) + (month <= 2);
    year = year < 0 ? 0 : year > 9999 ? 9999 : year;
    const int parts[] = {year / 1000, year / 100 % 10, year / 10 % 10, year % 10, -1, month / 10, month % 10,
                         -1,          day / 10,        day % 10};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        out[i] = (char)(parts[i] < 0 ? '-' : '0' + parts[i]);
    }
    out[10] = '\0';
}

int mi_date_weekday(int32_t days) {
    int weekday = (days % 7 + 3) % 7; /* 1970-01-01 was a Thursday */
    return weekday < 0 ? weekday + 7 : weekday;
}
